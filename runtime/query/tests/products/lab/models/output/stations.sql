SELECT code, code AS name, NULL::text AS parent_code, '{}'::text[] AS near FROM input.raw

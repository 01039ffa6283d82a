SELECT s.id, s.code::text AS code, s.amount, s.price, s.sold_at FROM input.sales AS s

// Turns the page's address into a running GraphiQL: ?endpoint=, ?query=, ?variables= and ?operationName=.
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { storage } from './storage.js';
import 'graphiql/style.css';
import './page.css';

const DEFAULT_ENDPOINT = '/graphql';
const DEFAULT_QUERY = `# Terrane: every data product in one graph.
#
# Ctrl-Space completes a field, Ctrl-Enter runs the operation.
# To be somebody, sign in on the marketplace, or put a token into the Headers pane below:
#   { "authorization": "Bearer TOKEN" }

{
  __typename
}
`;
const DEFAULT_HEADERS = '{\n  "authorization": "Bearer "\n}';

/** The endpoint to talk to. Another origin is refused: a link must not be able to send the visitor's token elsewhere. */
function resolveEndpoint(asked) {
  if (!asked) return { url: new URL(DEFAULT_ENDPOINT, location.href) };
  try {
    const url = new URL(asked, location.href);
    if (url.origin === location.origin) return { url };
  } catch {
    // Not an address at all: it falls through to the refusal.
  }
  return {
    url: new URL(DEFAULT_ENDPOINT, location.href),
    refused: `The endpoint ${asked} is not on this host; using ${DEFAULT_ENDPOINT}.`,
  };
}

/** Who has a session: the gateway writes the name into the page, and the browser sends the session's cookie. */
const visitor = document.querySelector('meta[name="visitor"]')?.content;

/** A header line that says "Bearer" without a token is a form not yet filled in, not a wrong token. */
function withoutEmptyToken(headers) {
  return Object.fromEntries(
    Object.entries(headers ?? {}).filter(
      ([name, value]) => name.toLowerCase() !== 'authorization' || !/^\s*(bearer)?\s*$/i.test(String(value)),
    ),
  );
}

function createFetcher(endpoint) {
  const socket = new URL(endpoint);
  socket.protocol = socket.protocol === 'https:' ? 'wss:' : 'ws:';
  const send = createGraphiQLFetcher({ url: endpoint.href, subscriptionUrl: socket.href });
  return (params, options) => send(params, { ...options, headers: withoutEmptyToken(options?.headers) });
}

function Explorer({ endpoint, refused, query, variables, operationName }) {
  return (
    <GraphiQL
      fetcher={createFetcher(endpoint)}
      defaultQuery={DEFAULT_QUERY}
      query={query ?? undefined}
      variables={variables ?? undefined}
      operationName={operationName ?? undefined}
      defaultHeaders={DEFAULT_HEADERS}
      defaultEditorToolsVisibility="headers"
      isHeadersEditorEnabled
      storage={storage}
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo>
        <a className="explorer-home" href="/">
          Terrane
        </a>
      </GraphiQL.Logo>
      <GraphiQL.Footer>
        <p className="explorer-endpoint" role="status">
          {refused ?? `Endpoint ${endpoint.pathname}`}
          {visitor && ` · asking as ${visitor}, who is signed in`}
        </p>
      </GraphiQL.Footer>
    </GraphiQL>
  );
}

/** CodeMirror's text areas have no name of their own; a screen reader is given that of the pane they stand in. */
function nameEditors(root) {
  for (const input of root.querySelectorAll('.CodeMirror textarea')) {
    const name = input.closest('section[aria-label]')?.getAttribute('aria-label') ?? 'Editor';
    // Writing the same name again would wake the observer again.
    if (input.getAttribute('aria-label') !== name) input.setAttribute('aria-label', name);
  }
}

const root = document.getElementById('graphiql');
new MutationObserver(() => nameEditors(root)).observe(root, {
  childList: true,
  subtree: true,
  attributeFilter: ['aria-label'],
});

const asked = new URLSearchParams(location.search);
const { url, refused } = resolveEndpoint(asked.get('endpoint'));
createRoot(root).render(
  <Explorer
    endpoint={url}
    refused={refused}
    query={asked.get('query')}
    variables={asked.get('variables')}
    operationName={asked.get('operationName')}
  />,
);

// Turns what GraphiQL wants to remember into what may be remembered: everything but headers, which hold the token.
//
// shouldPersistHeaders={false} covers the tabs only; the history writes the headers of every operation that was run.

/** What GraphiQL stores as JSON of its own making. The rest is what the visitor typed, and left as it is. */
const RECORDS = /^graphiql:(queries|favorites|tabState)$/;

function withoutHeaders(value) {
  return JSON.stringify(JSON.parse(value, (key, inner) => (key === 'headers' ? undefined : inner)));
}

export const storage = {
  getItem: (key) => localStorage.getItem(key),
  setItem: (key, value) => {
    if (key === 'graphiql:headers') return;
    localStorage.setItem(key, RECORDS.test(key) ? withoutHeaders(value) : value);
  },
  removeItem: (key) => localStorage.removeItem(key),
  clear: () => localStorage.clear(),
  get length() {
    return localStorage.length;
  },
};

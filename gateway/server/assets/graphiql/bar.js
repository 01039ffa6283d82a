// Fills the bar above GraphiQL: the products' example operations, and the plan of the operation in the editor.
const OPERATIONS = '{ products { id info { name exampleOperations { name operation } } } }';

const editor = (pane) => document.querySelector(`${pane} .CodeMirror`)?.CodeMirror;
const words = (name) => name.charAt(0).toUpperCase() + name.slice(1).replace(/[-_]/g, ' ');

/** The headers that stand in the pane of that name, as GraphiQL sends them; a line without a token is not sent. */
function headers() {
  const sent = { 'content-type': 'application/json' };
  const panes = document.querySelectorAll('section[aria-label="Headers"] .CodeMirror');
  const text = panes[panes.length - 1]?.CodeMirror.getValue() || '{}';
  let given = {};
  try {
    given = JSON.parse(text);
  } catch {
    // Not yet written to its end: GraphiQL marks it in the pane.
  }
  for (const [name, value] of Object.entries(given)) {
    if (!/^\s*(bearer)?\s*$/i.test(String(value))) sent[name] = String(value);
  }
  return sent;
}

async function offerExamples(select) {
  const response = await fetch('/graphql', { method: 'POST', headers: headers(), body: JSON.stringify({ query: OPERATIONS }) });
  const { data } = await response.json();
  for (const { id, info } of data?.products ?? []) {
    if (!info?.exampleOperations.length) continue;
    const group = document.createElement('optgroup');
    group.label = info.name;
    for (const { name, operation } of info.exampleOperations) {
      const option = new Option(words(name), `${id}/${name}`);
      option.operation = operation;
      group.append(option);
    }
    select.append(group);
  }
}

function showExample({ target }) {
  const { operation } = target.selectedOptions[0];
  if (operation) editor('.graphiql-query-editor')?.setValue(operation);
}

async function showPlan(dialog) {
  const query = editor('.graphiql-query-editor')?.getValue() ?? '';
  let text;
  try {
    const response = await fetch('/plan', { method: 'POST', headers: headers(), body: JSON.stringify({ query }) });
    const answer = await response.json();
    text = answer.text ?? answer.errors.map(({ message }) => message).join('\n');
  } catch {
    text = 'The gateway does not answer.';
  }
  dialog.querySelector('pre').textContent = text;
  dialog.showModal();
}

const select = document.getElementById('examples');
select.addEventListener('change', showExample);
offerExamples(select).catch(() => select.closest('label').remove());
const dialog = document.getElementById('plan-dialog');
document.getElementById('plan').addEventListener('click', () => showPlan(dialog));

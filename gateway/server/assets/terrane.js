// Gives every snippet a copy button; without it the text can still be selected.
for (const snippet of document.querySelectorAll('figure.snippet')) {
  const code = snippet.querySelector('code');
  const caption = snippet.querySelector('figcaption');
  if (!code || !caption || !navigator.clipboard) continue;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'copy';
  button.textContent = 'Copy';
  button.setAttribute('aria-label', `Copy: ${caption.textContent.trim()}`);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Select and copy';
      getSelection().selectAllChildren(code);
    }
    setTimeout(() => (button.textContent = 'Copy'), 2000);
  });
  caption.append(button);
}

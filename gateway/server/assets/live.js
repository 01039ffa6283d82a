// Keeps the page of a run up to date until the run has ended; without it, the page has a link to look again.
const live = document.getElementById('live');
const said = document.getElementById('live-said');
const EVERY = 1000;
const AFTER_TROUBLE = 5000;

/** Put a new part in the place of the old one; who reads in it goes on reading. */
function replace(old, part) {
  const region = old.querySelector('[tabindex]');
  const left = region.scrollLeft;
  const focused = document.activeElement === region;
  old.replaceWith(part);
  const again = part.querySelector('[tabindex]');
  again.scrollLeft = left;
  if (focused) again.focus({ preventScroll: true });
}

/** Show what has come of the run; whether it goes on. */
function show(part) {
  const state = part.querySelector('[data-state]');
  const text = state.querySelector('[data-said]').textContent.trim().replace(/\s+/g, ' ');
  replace(live.querySelector('[data-state]'), state);
  // only what has changed is read out
  if (said.textContent !== text) said.textContent = text;
  const [log, more] = [live.querySelector('[data-log]'), part.querySelector('[data-log]')];
  log.querySelector('ol').append(...more.querySelectorAll('li'));
  if (more.dataset.last) log.dataset.last = more.dataset.last;
  log.querySelector('[data-further]')?.remove();
  return part.dataset.over !== 'true' || part.dataset.more === 'true';
}

async function look() {
  const { last } = live.querySelector('[data-log]').dataset;
  let wait = EVERY;
  try {
    const answer = await fetch(live.dataset.live + (last ? `?after=${last}` : ''));
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (!show(page.querySelector('[data-over]'))) {
      for (const part of document.querySelectorAll('[data-while-running]')) {
        const focused = part.contains(document.activeElement);
        part.remove();
        if (focused) document.getElementById('content').focus();
      }
      return;
    }
  } catch {
    // the gateway may be starting anew
    wait = AFTER_TROUBLE;
  }
  setTimeout(look, wait);
}

if (live?.dataset.live) setTimeout(look, EVERY);

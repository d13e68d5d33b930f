/** The style sheet of the gallery. No outside resource; `hidden` always wins; colour never stands alone for a state. */
export const GALLERY_STYLE = `
:root {
  color-scheme: light dark; accent-color: var(--accent); scroll-padding-top: 9rem;
  --page: light-dark(#f5f4f1, #0f1013); --card: light-dark(#fff, #191b20); --line: light-dark(#e3e1db, #2c3038);
  --ink: light-dark(#1b1c20, #f1f1f3); --soft: light-dark(#62646d, #a3a7b3); --accent: light-dark(#4b47c9, #9d9bff);
  --good: light-dark(#14724a, #5fd39a); --wait: light-dark(#855700, #e5b95c); --bad: light-dark(#b3261e, #ff8b85);
}
* { box-sizing: border-box; margin: 0; padding: 0; }
[hidden] { display: none !important; }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK KR", sans-serif; overflow-wrap: anywhere; }
a { color: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
ul { list-style: none; }
small, .soft, .notes, .foot, .end, .reason p + p, dt { color: var(--soft); font-size: .85rem; font-weight: 400; }
.wrap { max-width: 1640px; margin: 0 auto; padding: 12px clamp(16px, 3vw, 40px); }
.line, .tools form { display: flex; flex-wrap: wrap; gap: 6px 22px; align-items: center; }

.top { display: grid; gap: 16px; padding-block: 36px 12px; }
.sums { column-gap: 44px; }
.sums dd { font-size: 1.5rem; font-weight: 600; }
.notes, .flag, .is-running { color: var(--wait); }
.flag, .state { border: 1px solid; border-radius: 99px; padding: 0 .7em; font-weight: 600; white-space: nowrap; font-size: .85rem; }
.is-saved, .is-up_to_date, .is-copied { color: var(--good); }
.is-failed, .is-invalid, .is-uncertain, .is-completed, .is-expired, .is-cancelled { color: var(--bad); }

.trouble { border: 1px solid var(--bad); border-radius: 14px; padding: 18px; }
.trouble h2 { font-size: 1.05rem; }
.trouble ul { max-height: 60vh; overflow: auto; }
.trouble li { display: flex; flex-wrap: wrap; gap: 2px 20px; padding-top: 12px; }
.trouble li > * { flex: 1 1 16rem; }
.trouble .reason { flex-grow: 4; }

.tools { position: sticky; top: 0; z-index: 5; background: var(--page); border-block: 1px solid var(--line); }
.tools [type=search], .tools select, .tools button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 9px; padding: 6px 12px; }
.tools [type=search] { flex: 0 1 400px; min-width: 0; }
.tools fieldset { border: 0; display: flex; flex-wrap: wrap; gap: 4px 14px; }
.tools output { margin-left: auto; }

.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 22px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; overflow: hidden; display: flex; flex-direction: column; content-visibility: auto; contain-intrinsic-size: auto 440px; }
.card:target { border-color: var(--accent); box-shadow: 0 0 0 3px var(--accent); }
.stage { background: #08080a; aspect-ratio: 16 / 10; position: relative; }
.stage video { width: 100%; height: 100%; position: absolute; }
.empty { display: grid; place-content: center; padding: 22px; text-align: center; background: var(--page); }
.gone { position: absolute; bottom: 0; padding: 10px 14px; background: #000c; color: #fff; }
.text { padding: 16px; display: flex; flex-direction: column; gap: 10px; flex: 1; }
.text header, .foot { display: flex; gap: 12px; justify-content: space-between; align-items: baseline; }
.prompt { white-space: pre-line; unicode-bidi: isolate; max-height: 12em; overflow: auto; flex: none; }
.foot { margin-top: auto; padding-top: 10px; border-top: 1px solid var(--line); }
.foot strong { color: var(--ink); white-space: nowrap; }
.none { padding: 60px 0; text-align: center; }

@media (max-width: 640px) { .tools { position: static; } }
@media print { :root { color-scheme: light !important; } .tools { display: none; } .card { break-inside: avoid; } .prompt { max-height: none; } }
`;

/**
 * The script of the gallery, run by the browser as it stands. The page is whole without it: it adds the filter, the choice
 * of light and dark, and frames of clips that come near the viewport. It writes no text as markup but that of the page's own players.
 */
export const GALLERY_SCRIPT = `(() => {
  'use strict';
  const find = (selector) => document.querySelector(selector);
  const form = find('.tools form');
  const { search } = form.elements;
  const cards = Array.from(document.querySelectorAll('.card'));
  find('.tools').hidden = false;

  const plain = (text) => text.normalize('NFKC').toLowerCase();
  // What is read on a card, without the markup of its player.
  const wordsOf = (card) => Array.from(card.querySelectorAll('.text, .reason'), (part) => plain(part.textContent)).join(' ');
  let index;
  const apply = () => {
    const wanted = Object.fromEntries(new FormData(form));
    const words = plain(wanted.search).split(/\\s+/).filter(Boolean);
    if (words.length > 0) index ??= cards.map(wordsOf);
    let shown = 0;
    cards.forEach((card, at) => {
      card.hidden = !(['state', 'quality', 'ratio'].every((key) => !wanted[key] || card.dataset[key] === wanted[key])
        && words.every((word) => index[at].includes(word)));
      if (card.hidden) card.querySelector('video')?.pause();
      else shown += 1;
    });
    find('output').textContent = shown + ' of ' + cards.length + (cards.length === 1 ? ' job' : ' jobs');
    find('.none').hidden = shown > 0;
  };
  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  // A browser may restore what was typed before a reload.
  apply();

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/' && !event.target.matches('[type=search], select')) {
      event.preventDefault();
      search.select();
    } else if (event.key === 'Escape' && event.target === search) {
      search.value = '';
      apply();
    }
  });

  // A link to a card that the filter hides shows it.
  addEventListener('hashchange', () => {
    const card = document.getElementById(location.hash.slice(1));
    if (!card?.hidden) return;
    form.reset();
    apply();
    card.scrollIntoView();
  });

  find('.theme').addEventListener('click', () => {
    const { style } = document.documentElement;
    const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    style.colorScheme = (style.colorScheme || system) === 'dark' ? 'light' : 'dark';
  });

  // Thousands of players at once are slow, and browsers bound their number: a clip has one while it is near, or in use.
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const stage = target.querySelector('.stage');
      const video = stage.querySelector('video');
      if (isIntersecting && video === null) {
        stage.insertAdjacentHTML('afterbegin', stage.querySelector('noscript').textContent);
      } else if (!isIntersecting && video?.paused && video.currentTime < 0.1 && !stage.contains(document.activeElement)) {
        video.remove();
        // Frees the decoder, which the browser keeps else.
        video.removeAttribute('src');
        video.load();
      }
    }
  }, { rootMargin: '1200px 0px' });
  for (const card of document.querySelectorAll('.card:has(noscript)')) near.observe(card);

  document.addEventListener('error', ({ target }) => {
    target.closest('.stage').querySelector('.gone').hidden = false;
  }, true);
})();
`;

/** The style sheet of the gallery. No outside resource; `hidden` always wins; colour never stands alone for a state. */
export const GALLERY_STYLE = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f5f4f1, #0f1013); --card: light-dark(#fff, #191b20); --raised: light-dark(#faf9f7, #22252c);
  --line: light-dark(#e3e1db, #2c3038); --ink: light-dark(#1b1c20, #f1f1f3); --soft: light-dark(#62646d, #a3a7b3);
  --accent: light-dark(#4b47c9, #9d9bff); --on-accent: light-dark(#fff, #14132b); --good: light-dark(#14724a, #5fd39a);
  --calm: light-dark(#0f6287, #7cc4e8); --wait: light-dark(#855700, #e5b95c); --bad: light-dark(#b3261e, #ff8b85);
  --bad-wash: light-dark(#fdf1ef, #2b1b1d);
}
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
html { scroll-padding-top: 9rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK KR", sans-serif; overflow-wrap: anywhere; }
a { color: inherit; text-underline-offset: .2em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
h1, h2, h3, p, ul, dl, dd, fieldset { margin: 0; padding: 0; }
ul { list-style: none; }
small, .soft, .notes, .foot, .end, .reason p + p, dt { color: var(--soft); font-size: .85rem; font-weight: 400; }
.wrap { max-width: 1640px; margin: 0 auto; padding-inline: clamp(16px, 3vw, 40px); }
.line { display: flex; flex-wrap: wrap; gap: 6px 22px; align-items: baseline; margin-bottom: 18px; }
.skip:not(:focus) { position: absolute; left: -9999px; }

.top { padding-block: clamp(28px, 5vw, 56px) 8px; }
.flag { border: 1px solid currentColor; border-radius: 99px; padding: 0 .6em; font-weight: 600; color: var(--wait); }
h1 { font-size: clamp(1.7rem, 3.6vw, 2.7rem); line-height: 1.15; letter-spacing: -.025em; margin-bottom: 22px; }
.sums { column-gap: 44px; }
.sums dd { font-size: 1.5rem; font-weight: 620; font-variant-numeric: tabular-nums; line-height: 1.25; }
.notes { color: var(--wait); margin-bottom: 10px; }

.state { font-weight: 600; white-space: nowrap; font-size: .82rem; color: var(--soft); }
i { font-style: normal; display: inline-grid; place-items: center; width: 1.4em; height: 1.4em; margin-right: .4em; border-radius: 50%; background: currentColor; }
i::before { content: attr(data-mark); color: var(--card); font-weight: 800; font-size: .82em; }
.is-saved { color: var(--good); } .is-up_to_date, .is-copied { color: var(--calm); } .is-running { color: var(--wait); }
.is-failed, .is-invalid, .is-uncertain, .is-completed, .is-expired, .is-cancelled { color: var(--bad); }

.trouble { background: var(--bad-wash); border: 1px solid var(--bad); border-radius: 14px; padding: 18px 20px; margin-bottom: 26px; }
.trouble h2 { font-size: 1.05rem; margin-bottom: 10px; }
.trouble ul { max-height: max(60vh, 40rem); overflow: auto; }
.trouble li { display: grid; grid-template-columns: minmax(8rem, 18rem) 1fr; gap: 2px 20px; padding-bottom: 12px; }

.tools { position: sticky; top: 0; z-index: 5; background: var(--page); border-block: 1px solid var(--line); margin-bottom: 24px; }
.tools form { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; padding-block: 10px; }
.tools [name=search], .tools select, .tools button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 9px; height: 38px; padding-inline: 12px; }
.tools [name=search] { flex: 1 1 240px; min-width: 0; max-width: 420px; }
.tools fieldset { border: 0; display: flex; gap: 4px; overflow-x: auto; min-width: 0; padding: 3px; }
.chip { position: relative; flex: none; padding: 5px 12px; border-radius: 99px; border: 1px solid var(--line); background: var(--card); font-size: .88rem; }
.chip input { position: absolute; inset: 0; opacity: 0; margin: 0; cursor: pointer; width: 100%; height: 100%; }
.chip:has(:checked) { background: var(--accent); color: var(--on-accent); }
.chip:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 1px; }
.tools output { margin-left: auto; }

.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 22px; padding-bottom: 60px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; overflow: hidden; display: flex; flex-direction: column; content-visibility: auto; contain-intrinsic-size: auto 440px; }
.card:target { border-color: var(--accent); box-shadow: 0 0 0 3px var(--accent); }
.stage { background: #08080a; aspect-ratio: 16 / 10; position: relative; }
.stage video { width: 100%; height: 100%; position: absolute; }
.empty { display: grid; place-items: center; align-content: center; gap: 10px; padding: 22px; text-align: center; background: var(--raised); }
.gone { position: absolute; bottom: 0; padding: 10px 14px; background: #000c; color: #fff; }
.text { padding: 15px 17px 17px; display: flex; flex-direction: column; gap: 10px; flex: 1; }
.text header, .foot { display: flex; gap: 12px; justify-content: space-between; align-items: baseline; }
.text h3 { font-size: 1.02rem; }
.text h3 a { text-decoration: none; }
.prompt { white-space: pre-line; unicode-bidi: isolate; }
summary { cursor: pointer; }
.prompt summary { list-style: none; }
.prompt b { color: var(--accent); }
.prompt[open] span { display: none; }
.words { display: flex; flex-wrap: wrap; gap: 5px; }
.words li { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 1px 8px; font-size: .8rem; color: var(--soft); }
.foot { margin-top: auto; padding-top: 10px; border-top: 1px solid var(--line); }
.foot strong { color: var(--ink); white-space: nowrap; }
.more div { display: flex; gap: 14px; }
.more dt { min-width: 6em; }
.more dd { color: var(--ink); font-family: ui-monospace, Menlo, Consolas, monospace; unicode-bidi: isolate; }
.none { padding: 60px 0 90px; text-align: center; }
.end { padding-block: 20px 40px; border-top: 1px solid var(--line); }

@media (max-width: 640px) { .tools { position: static; } .trouble li { grid-template-columns: 1fr; } }
@media (forced-colors: active) { i { border: 1px solid; } .chip:has(:checked) { outline: 2px solid; } }
@media print { :root { color-scheme: light !important; } .tools { display: none; } .card { break-inside: avoid; } }
`;

/**
 * The script of the gallery, run by the browser as it stands. The page is whole without it: it adds the filter, the choice
 * of light and dark, and frames of clips that come near the viewport. It reads the page only, never writes text as markup.
 */
export const GALLERY_SCRIPT = `(() => {
  'use strict';
  const root = document.documentElement;
  const find = (selector) => document.querySelector(selector);
  const form = find('.tools form');
  const search = form.elements.namedItem('search');
  const cards = Array.from(document.querySelectorAll('.card'));
  find('.tools').hidden = false;

  let index;
  const plain = (text) => text.normalize('NFKC').toLowerCase();
  const apply = () => {
    const wanted = Object.fromEntries(new FormData(form));
    const words = plain(wanted.search).split(/\\s+/).filter(Boolean);
    if (words.length > 0) index ??= cards.map((card) => plain(card.textContent));
    let shown = 0;
    cards.forEach((card, at) => {
      const fits = ['state', 'quality', 'ratio'].every((key) => !wanted[key] || card.dataset[key] === wanted[key])
        && words.every((word) => index[at].includes(word));
      if (card.hidden === fits) card.hidden = !fits;
      if (!fits) card.querySelector('video')?.pause();
      shown += fits ? 1 : 0;
    });
    find('output').textContent = shown + ' of ' + cards.length + (cards.length === 1 ? ' job' : ' jobs');
    find('.none').hidden = shown > 0;
  };
  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  // A browser may restore what was typed before a reload.
  apply();

  document.addEventListener('keydown', (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/' && !event.target.matches?.('input[type=search], select')) {
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

  const dark = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.style.colorScheme || (dark.matches ? 'dark' : 'light')) === 'dark';
  const theme = find('.theme');
  const name = () => {
    theme.textContent = isDark() ? '\u25D1 Light' : '\u25D0 Dark';
  };
  theme.addEventListener('click', () => {
    root.style.colorScheme = isDark() ? 'light' : 'dark';
    name();
  });
  dark.addEventListener('change', name);
  name();

  // Thousands of players at once are slow, and browsers bound their number: a clip has one while it is near, or in use.
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const stage = target.querySelector('.stage');
      let video = stage.querySelector('video');
      if (isIntersecting && video === null) {
        video = document.createElement('video');
        Object.assign(video, { preload: 'metadata', controls: true, playsInline: true, src: stage.dataset.clip });
        video.setAttribute('aria-label', stage.dataset.label);
        stage.append(video);
      } else if (!isIntersecting && video?.paused && video.currentTime < 0.1 && !stage.contains(document.activeElement)) {
        video.remove();
        video.removeAttribute('src');
        video.load();
      }
    }
  }, { rootMargin: '1200px 0px' });
  for (const card of document.querySelectorAll('.card:has([data-clip])')) near.observe(card);

  document.addEventListener('play', ({ target }) => {
    for (const video of document.querySelectorAll('video')) if (video !== target) video.pause();
  }, true);
  document.addEventListener('error', ({ target }) => {
    const stage = target.closest('.stage');
    if (stage.querySelector('.gone') !== null) return;
    const word = document.createElement('p');
    word.className = 'gone';
    word.textContent = 'The clip is not where it was when this report was written.';
    stage.append(word);
  }, true);
})();
`;

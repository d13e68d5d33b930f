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
.wrap { max-width: 1640px; margin: 0 auto; padding-inline: clamp(16px, 3vw, 40px); }
.skip, .label { position: absolute; left: -9999px; }
.skip:focus { left: 16px; top: 12px; z-index: 9; background: var(--card); padding: 8px 14px; }

.top { padding-block: clamp(28px, 5vw, 56px) 24px; }
.eyebrow { display: flex; flex-wrap: wrap; gap: 6px 14px; color: var(--soft); font-size: .82rem; }
.flag { border: 1px solid currentColor; border-radius: 99px; padding: 0 .6em; font-weight: 600; color: var(--wait); }
h1 { font-size: clamp(1.7rem, 3.6vw, 2.7rem); line-height: 1.15; letter-spacing: -.025em; margin: 10px 0 22px; }
.sums { display: flex; flex-wrap: wrap; gap: 18px 44px; }
.sums dt, .sums small { color: var(--soft); font-size: .82rem; font-weight: 400; }
.sums dd { font-size: 1.5rem; font-weight: 620; font-variant-numeric: tabular-nums; line-height: 1.25; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 22px; margin-top: 20px; }
.notes { color: var(--wait); font-size: .88rem; }
.top .notes { margin-top: 20px; }

.state { display: inline-flex; align-items: center; gap: .4em; font-weight: 600; white-space: nowrap; font-size: .82rem; color: var(--soft); }
.state i, .empty i { font-style: normal; display: inline-grid; place-items: center; width: 1.4em; height: 1.4em; border-radius: 50%; background: currentColor; }
i::before { content: attr(data-mark); color: var(--card); font-weight: 800; font-size: .82em; }
.is-saved { color: var(--good); } .is-up_to_date, .is-copied { color: var(--calm); } .is-running { color: var(--wait); }
.is-failed, .is-invalid, .is-uncertain, .is-completed, .is-expired, .is-cancelled { color: var(--bad); }

.trouble { background: var(--bad-wash); border: 1px solid color-mix(in srgb, var(--bad) 30%, transparent); border-radius: 14px; padding: 18px 20px; margin-bottom: 26px; }
.trouble h2 { font-size: 1.05rem; margin-bottom: 10px; }
.trouble ul { display: grid; gap: 12px; max-height: max(60vh, 40rem); overflow: auto; }
.trouble li { display: grid; grid-template-columns: minmax(8rem, 18rem) 1fr; gap: 2px 20px; }
.trouble .where { display: block; }
.where, .reason p + p { color: var(--soft); font-size: .88rem; }

.tools { position: sticky; top: 0; z-index: 5; background: var(--page); border-block: 1px solid var(--line); margin-bottom: 24px; }
.tools form { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; padding-block: 10px; }
.tools input[type=search], .tools select, .tools button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 9px; height: 38px; padding-inline: 12px; max-width: 420px; }
.tools input[type=search] { flex: 1 1 240px; min-width: 0; }
.tools fieldset { border: 0; display: flex; gap: 4px; overflow-x: auto; min-width: 0; padding: 3px; }
.chip { position: relative; flex: none; }
.chip input { position: absolute; inset: 0; opacity: 0; margin: 0; cursor: pointer; width: 100%; height: 100%; }
.chip span { display: block; padding: 5px 12px; border-radius: 99px; border: 1px solid var(--line); background: var(--card); font-size: .88rem; }
.chip input:checked + span { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.chip input:focus-visible + span { outline: 2px solid var(--accent); outline-offset: 2px; }
.tools output { color: var(--soft); font-size: .88rem; margin-left: auto; }

.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 22px; padding-bottom: 60px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; overflow: hidden; display: flex; flex-direction: column; content-visibility: auto; contain-intrinsic-size: auto 440px; }
.card:target { border-color: var(--accent); box-shadow: 0 0 0 3px var(--accent); }
.stage { background: #08080a; aspect-ratio: 16 / 10; position: relative; overflow: hidden; }
.stage video { width: 100%; height: 100%; object-fit: contain; position: absolute; inset: 0; }
.stage.empty { display: grid; place-items: center; align-content: center; gap: 10px; padding: 22px; text-align: center; background: var(--raised); border-bottom: 1px solid var(--line); overflow: visible; }
.gone { position: absolute; inset: auto 0 0; padding: 10px 14px; background: #000c; color: #fff; font-size: .85rem; }
.text { padding: 15px 17px 17px; display: flex; flex-direction: column; gap: 10px; flex: 1; min-width: 0; }
.text header, .foot { display: flex; gap: 12px; justify-content: space-between; align-items: baseline; }
.text h3 { font-size: 1.02rem; min-width: 0; }
.text h3 a { text-decoration: none; }
.prompt { white-space: pre-line; unicode-bidi: isolate; }
.prompt summary { list-style: none; cursor: pointer; }
.prompt summary b { color: var(--accent); font-weight: 550; }
.prompt[open] summary span { display: none; }
.words { display: flex; flex-wrap: wrap; gap: 5px; }
.words li { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 1px 8px; font-size: .8rem; color: var(--soft); }
.foot { margin-top: auto; padding-top: 10px; border-top: 1px solid var(--line); font-size: .85rem; color: var(--soft); }
.foot strong { color: var(--ink); white-space: nowrap; }
.more { font-size: .82rem; color: var(--soft); }
.more summary { cursor: pointer; width: max-content; }
.more dl > div { display: flex; gap: 14px; }
.more dt { min-width: 6em; }
.more dd { color: var(--ink); font-family: ui-monospace, Menlo, Consolas, monospace; unicode-bidi: isolate; min-width: 0; }
.none { padding: 60px 0 90px; text-align: center; color: var(--soft); }
.end { color: var(--soft); font-size: .82rem; padding-block: 20px 40px; border-top: 1px solid var(--line); }

@media (max-width: 640px) {
  .tools { position: static; }
  .trouble li { grid-template-columns: 1fr; }
}
@media (forced-colors: active) { .state i { border: 1px solid; } .chip input:checked + span { outline: 2px solid; } }
@media print {
  :root { color-scheme: light !important; }
  .tools, .skip { display: none; }
  .grid { grid-template-columns: repeat(3, 1fr); gap: 10px; }
  .card { break-inside: avoid; }
}
`;

/**
 * The script of the gallery, run by the browser as it stands. The page is whole without it: it adds the filter, the choice
 * of light and dark, and frames of clips that come near the viewport. It reads the page only, never writes text as markup.
 */
export const GALLERY_SCRIPT = `(() => {
  'use strict';
  const root = document.documentElement;
  const cards = Array.from(document.querySelectorAll('.card'));
  const tools = document.querySelector('.tools');
  if (tools === null) return;
  const form = tools.querySelector('form');
  const search = form.elements.namedItem('search');
  const count = form.querySelector('output');
  const none = document.querySelector('.none');
  tools.hidden = false;

  let index;
  const wordsOf = (card) => card.textContent.normalize('NFKC').toLowerCase();
  const apply = () => {
    const wanted = new FormData(form);
    const words = String(wanted.get('search')).normalize('NFKC').toLowerCase().split(/\\s+/).filter(Boolean);
    if (words.length > 0) index ??= cards.map(wordsOf);
    let shown = 0;
    cards.forEach((card, at) => {
      const fits = ['state', 'quality', 'ratio'].every((key) => {
        const value = wanted.get(key);
        return value === null || value === '' || card.dataset[key] === value;
      }) && words.every((word) => index[at].includes(word));
      if (card.hidden === fits) card.hidden = !fits;
      if (!fits) card.querySelector('video')?.pause();
      shown += fits ? 1 : 0;
    });
    count.textContent = shown + ' of ' + cards.length + (cards.length === 1 ? ' job' : ' jobs');
    none.hidden = shown > 0;
  };
  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  // A browser may restore what was typed before a reload.
  apply();

  document.addEventListener('keydown', (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.matches?.('input[type=search], textarea, select');
    if (event.key === '/' && !isTyping) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === 'Escape' && event.target === search) {
      search.value = '';
      apply();
    }
  });

  // A link to a card that the filter hides shows it.
  const reveal = () => {
    const card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!card?.hidden) return;
    form.reset();
    apply();
    card.scrollIntoView();
  };
  addEventListener('hashchange', reveal);

  const dark = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.style.colorScheme || (dark.matches ? 'dark' : 'light')) === 'dark';
  const theme = form.querySelector('.theme');
  const name = () => {
    theme.textContent = isDark() ? '\u25D1 Light' : '\u25D0 Dark';
    theme.setAttribute('aria-label', isDark() ? 'Switch to light colours' : 'Switch to dark colours');
  };
  theme.addEventListener('click', () => {
    root.style.colorScheme = isDark() ? 'light' : 'dark';
    name();
  });
  dark.addEventListener('change', name);
  name();

  // Thousands of players at once are slow, and browsers bound their number: a clip has one while it is near, or in use.
  const makePlayer = ({ dataset }) => {
    const video = document.createElement('video');
    Object.assign(video, { preload: 'metadata', controls: true, playsInline: true, src: dataset.clip });
    video.setAttribute('aria-label', dataset.label);
    return video;
  };
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const stage = target.querySelector('.stage');
      const video = stage.querySelector('video');
      if (isIntersecting && video === null) stage.append(makePlayer(stage));
      else if (!isIntersecting && video?.paused && video.currentTime < 0.1 && !stage.contains(document.activeElement)) {
        video.remove();
        video.removeAttribute('src');
        video.load();
      }
    }
  }, { rootMargin: '1200px 0px' });
  for (const stage of document.querySelectorAll('.stage[data-clip]')) near.observe(stage.closest('.card'));

  document.addEventListener('play', ({ target }) => {
    for (const video of document.querySelectorAll('video')) if (video !== target && !video.paused) video.pause();
  }, true);
  document.addEventListener('error', ({ target }) => {
    if (!(target instanceof HTMLVideoElement)) return;
    const stage = target.closest('.stage');
    if (stage.querySelector('.gone') !== null) return;
    const word = document.createElement('p');
    word.className = 'gone';
    word.textContent = 'The clip is not where it was when this report was written.';
    stage.append(word);
  }, true);
})();
`;

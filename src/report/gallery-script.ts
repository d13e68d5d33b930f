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
    const total = cards.length;
    count.textContent = shown === total ? total + (total === 1 ? ' job' : ' jobs') : shown + ' of ' + total + ' jobs';
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
      if (search.value === '') search.blur();
      else search.value = '';
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

  const stored = (value) => {
    // Storage is refused in private windows and sandboxed frames.
    try {
      if (value === undefined) return localStorage.getItem('evolink-theme');
      localStorage.setItem('evolink-theme', value);
    } catch {
      return null;
    }
  };
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.dataset.theme ?? (dark.matches ? 'dark' : 'light')) === 'dark';
  const theme = form.querySelector('.theme');
  const name = () => {
    theme.textContent = isDark() ? '\u25D1 Light' : '\u25D0 Dark';
    theme.setAttribute('aria-label', isDark() ? 'Switch to light colours' : 'Switch to dark colours');
  };
  const kept = stored();
  if (kept === 'light' || kept === 'dark') root.dataset.theme = kept;
  theme.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    stored(root.dataset.theme);
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

// Makes the pictures of the README: a terminal session as SVG (util-linux `script`), the gallery of a run as PNG (Chromium).
// node test/pictures.mjs, after a build.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import xterm from '@xterm/headless';
import { chromium } from 'playwright-core';

const root = join(import.meta.dirname, '..');
const docs = join(root, 'src', 'docs');
const home = mkdtempSync(join(tmpdir(), 'evolink-pictures-'));
const [columns, rows] = [90, 40];
const { PATH } = process.env;
const env = { PATH, HOME: home, TERM: 'xterm-256color', LANG: 'C.UTF-8', COLORTERM: 'truecolor' };
const evolink = `${process.execPath} ${join(root, 'bin', 'evolink.js')}`;

const SESSION = [
  'evolink t2v "a paper boat on a lake at dawn" -d 8 -r 9:16 --dry-run >request.json',
  'evolink t2v "a paper boat on a lake at dawn" -d 4 -q 480p -o boat.mp4',
  'evolink status',
];
/** Runs a command on a terminal of the picture's size and returns what that terminal got. */
function record(command) {
  const script = `stty cols ${columns} rows ${rows}; ${command.replace(/^evolink/, evolink)} --sandbox`;
  const { stdout } = spawnSync('script', ['-qec', script, '/dev/null'], { cwd: home, env, encoding: 'utf8' });
  return stdout;
}

const COLOURS = ['#2e3436', '#ef5f6b', '#8ae234', '#fce94f', '#6ea8fe', '#c792ea', '#5fd7d7', '#d3d7cf'];
const escapeXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function toSvg(buffer, height) {
  const cell = { width: 8.4, height: 18 };
  const lines = Array.from({ length: height }, (_, y) => {
    const line = buffer.getLine(y);
    const spans = [];
    for (let x = 0; x < columns; x += 1) {
      const at = line?.getCell(x);
      if (at === undefined || at.getWidth() === 0) continue;
      const colour = at.isFgPalette() ? COLOURS[at.getFgColor() % 8] : '#d3d7cf';
      const drawn = `fill="${colour}"${at.isBold() ? ' font-weight="bold"' : ''}${at.isDim() ? ' opacity="0.6"' : ''}`;
      const chars = at.getChars() || ' ';
      const last = spans.at(-1);
      const style = chars === ' ' ? (last?.style ?? '') : drawn;
      if (last?.style === style) last.text += chars;
      else spans.push({ style, text: chars });
    }
    const text = spans
      .map(({ style, text }) => `<tspan ${style}>${escapeXml(text)}</tspan>`)
      .join('')
      .replace(/ +<\/tspan>$/, '</tspan>');
    return `<text x="16" y="${(y + 1.6) * cell.height}" xml:space="preserve">${text}</text>`;
  });
  const size = `width="${Math.ceil(columns * cell.width + 32)}" height="${(height + 2) * cell.height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">
<title>A session of evolink in the sandbox</title>
<rect width="100%" height="100%" rx="8" fill="#1e2227"/>
${lines.join('\n')}
</svg>
`;
}

try {
  const terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 0 });
  for (const command of SESSION) {
    const output = record(command).replaceAll(home, '~');
    await new Promise((done) => terminal.write(`\x1b[1m$ ${command}\x1b[0m\r\n${output}\r\n`, done));
  }
  writeFileSync(join(docs, 'terminal.svg'), toSvg(terminal.buffer.active, terminal.buffer.active.cursorY));

  const browserPath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync);
  if (browserPath === undefined) throw new Error('the gallery needs Chromium');
  const small = 'type: t2v, tier: mini, quality: 480p, duration: 4';
  const jobs = `defaults: { ${small}, output: "out/{job}-{ratio}.mp4" }
jobs:
  boat: { prompt: "A paper boat on a lake at dawn", matrix: { aspect_ratio: ["16:9", "9:16", "1:1"] } }
  frog: { prompt: "A green glass frog on a leaf" }\n`;
  writeFileSync(join(home, 'clips.yaml'), jobs);
  record('evolink run clips.yaml --yes --report gallery.html');
  const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: { width: 1200, height: 760 } });
  await page.goto(pathToFileURL(join(home, 'gallery.html')).href);
  await page.waitForTimeout(1_000);
  await page.screenshot({ path: join(docs, 'gallery.png') });
  await browser.close();
} finally {
  rmSync(home, { recursive: true, force: true });
}

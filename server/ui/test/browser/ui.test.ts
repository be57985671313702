import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { AxeResults } from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  checkoutId,
  checkoutTrace,
  hostile,
  hostileId,
  largeTrace,
  manyRequests,
  now,
  requests,
} from '../fixtures/data.ts';
import { type FixtureServer, startServer } from '../fixtures/server.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

// SCREENSHOTS names a folder that gets a picture of each page in both themes.
const pictures = process.env.SCREENSHOTS;

let browser: Browser;
let server: FixtureServer;
let context: BrowserContext;
let page: Page;
let problems: string[];

beforeAll(async () => {
  if (pictures) mkdirSync(pictures, { recursive: true });
  server = await startServer(dist);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

beforeEach(async () => {
  server.requests = requests;
  server.failure = null;
  server.token = null;
  server.gate = null;
  server.calls.length = 0;
  await start('light');
});

afterEach(async () => {
  await context.close();
  // Refused calls are part of some tests; anything else in the console is a fault.
  expect(problems.filter((text) => !text.includes('Failed to load resource'))).toEqual([]);
});

async function start(colorScheme: 'light' | 'dark'): Promise<void> {
  context = await browser.newContext({
    colorScheme,
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
  });
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  problems = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.clock.setFixedTime(now);
}

const open = (path: string) => page.goto(server.origin + path);
const rows = () => page.locator('.requesttable tbody tr');
const line = (name: string) => page.locator('[role=row][data-index]', { hasText: name }).first();
/** The text of the row that has the focus: the page itself, which holds every text, is none. */
const focused = () =>
  page.evaluate(() => document.activeElement?.closest('.rowlink, [data-index]')?.textContent ?? '');
const search = () => new URL(page.url()).search;

async function violations(): Promise<string[]> {
  await page.evaluate(await axeSource());
  const results = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run(),
  );
  return results.violations.map(
    (violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join(' | ')}`,
  );
}

let source: Promise<string> | undefined;

function axeSource(): Promise<string> {
  source ??= import('node:fs/promises').then((fs) => fs.readFile(axe, 'utf8'));
  return source;
}

describe.each(['light', 'dark'] as const)('in the %s theme', (theme) => {
  const views: [string, string, (() => Promise<void>)?][] = [
    ['list', '/?range=1h', async () => expect(await rows().count()).toBe(requests.length - 1)],
    ['request', `/requests/${checkoutId}`],
    [
      'details',
      `/requests/${checkoutId}`,
      async () => {
        await line('payments').click();
        await page.getByText('dtr entry in the trace state').waitFor();
        await page.mouse.move(0, 0);
      },
    ],
    ['trace', `/traces/${checkoutTrace}`],
    ['large', `/traces/${largeTrace}`],
    [
      'sign-in',
      '/?range=1h',
      async () => {
        await page.getByLabel('API token').fill('wrong-0123456789');
        await page.keyboard.press('Enter');
        await page.getByText('refused the last token').waitFor();
      },
    ],
    ['not-found', '/requests/0000000000000001', () => page.getByRole('alert').waitFor()],
    [
      'help',
      '/?range=1h',
      async () => {
        await page.keyboard.press('?');
        await page.getByRole('dialog').waitFor();
      },
    ],
  ];
  it.each(views)('the view “%s” has no accessibility violation', async (name, path, act) => {
    await context.close();
    await start(theme);
    if (name === 'sign-in') server.token = 'right-0123456789';
    await open(path);
    await page.locator('.requesttable, .wf-grid, .notice').first().waitFor();
    await act?.();
    expect(await violations()).toEqual([]);
    if (pictures) await page.screenshot({ path: `${pictures}/${name}-${theme}.png` });
  });
});

describe('the list', () => {
  it('shows each request with its verdict in words, and why', async () => {
    await open('/?range=1h');
    const row = rows().filter({ hasText: '/v2/recommendations' });
    await expect.poll(() => row.innerText()).toMatch(/Unlinked\s+Not propagated\s+GET/);
    expect(await row.locator('.origin').innerText()).toBe('api.example.com');
    expect(await row.locator('.reason').getAttribute('title')).toContain('Trace context: cross_origin');
    expect(await row.locator('time').getAttribute('title')).toMatch(/^2026-11-23 \d\d:\d\d:13\.000/);
    expect(await page.locator('.shares-title').innerText()).toBe(`${requests.length - 1} requests loaded`);
  });

  it('reproduces a view from its address, and writes filters into it', async () => {
    await open('/?range=24h&status=unlinked&reason=headers_dropped');
    await expect.poll(() => rows().count()).toBe(1);
    expect(await page.getByLabel('Verdict').inputValue()).toBe('unlinked');

    await page.getByLabel('Verdict').selectOption('partial');
    await expect.poll(search).toBe('?range=24h&status=partial');
    await page.getByLabel('Method').selectOption('GET');
    await page.getByLabel('URL contains').fill('/api/search');
    await expect.poll(search).toBe('?range=24h&status=partial&method=GET&url=%2Fapi%2Fsearch');
    await expect.poll(() => rows().count()).toBe(1);
    await page.reload();
    await expect.poll(() => rows().count()).toBe(1);
    expect(await page.getByLabel('URL contains').inputValue()).toBe('/api/search');

    await page.getByRole('button', { name: 'Clear 3 filters' }).click();
    await expect.poll(search).toBe('?range=24h');
  });

  it('asks the API only what it accepts, and keeps the text as it is typed', async () => {
    await open('/?range=24h');
    const application = page.getByLabel('Application id');
    await application.pressSequentially('745a78fe');
    await expect.poll(() => application.getAttribute('aria-invalid')).toBe('true');
    await application.press('Enter');
    expect(search()).toBe('?range=24h');
    await application.fill('745a78fe5b6e57f6');
    await expect.poll(search).toBe('?range=24h&application=745a78fe5b6e57f6');

    const url = page.getByLabel('URL contains');
    await url.pressSequentially('foo ');
    await expect.poll(search).toContain('url=foo');
    await url.pressSequentially('bar');
    expect(await url.inputValue()).toBe('foo bar');
  });

  it('makes a fixed range of a relative one', async () => {
    await open('/');
    await page.getByLabel('Custom').check();
    await expect
      .poll(() => decodeURIComponent(search()))
      .toBe('?from=2026-11-23T13:03:30.000Z&to=2026-11-23T14:03:30.000Z');
    await page.getByLabel('All', { exact: true }).check();
    await expect.poll(search).toBe('?range=all');
  });

  it('filters by a verdict of the summary, and lets go of it', async () => {
    await open('/?range=1h');
    const pending = page.getByRole('button', { name: 'Pending 2' });
    await pending.click();
    await expect.poll(() => rows().count()).toBe(2);
    expect(await pending.getAttribute('aria-pressed')).toBe('true');
    await pending.click();
    await expect.poll(() => rows().count()).toBe(requests.length - 1);
  });

  /** The colours on the chart's canvas, as "r,g,b". */
  const painted = () =>
    page.locator('.volume canvas').evaluate((canvas: HTMLCanvasElement) => {
      const copy = new OffscreenCanvas(canvas.width, canvas.height);
      const context = copy.getContext('2d', { willReadFrequently: true });
      context?.drawImage(canvas, 0, 0);
      const data = context?.getImageData(0, 0, copy.width, copy.height).data ?? [];
      const colours = new Set<string>();
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] === 255) colours.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
      }
      return [...colours];
    });
  const solid = { linked: { light: '29,154,116', dark: '47,174,134' }, unlinked: { light: '211,63,87' } };

  it('draws the verdicts over time in the colours of the theme', async () => {
    await open('/?range=1h');
    await rows().first().waitFor();
    await expect.poll(painted).toEqual(expect.arrayContaining([solid.linked.light, solid.unlinked.light]));
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(painted).toContain(solid.linked.dark);
    expect(await painted()).not.toContain(solid.linked.light);
  });

  it('tells a column of the chart under the pointer, and narrows the time range by a drag', async () => {
    await open('/?range=1h');
    await rows().first().waitFor();
    const over = page.locator('.volume .u-over');
    const box = await over.boundingBox();
    if (!box) throw new Error('the chart has no box');
    const y = box.y + box.height / 2;
    const caption = page.locator('.volume figcaption');
    expect(await caption.innerText()).toBe('60 s a column');
    await page.mouse.move(box.x + box.width - 2, y);
    await expect.poll(() => caption.innerText()).toMatch(/^\d\d:02:30 to \d\d:03:30: .*\d linked/);

    await page.mouse.move(box.x + box.width * 0.5, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, y, { steps: 4 });
    await page.mouse.up();
    await expect.poll(() => new URL(page.url()).searchParams.get('from')).toMatch(/^2026-11-23T13:3[23]:/);
    expect(new URL(page.url()).searchParams.get('to')).toMatch(/^2026-11-23T13:4[78]:/);
    expect(await page.getByLabel('Custom').isChecked()).toBe(true);
  });

  it('loads more by cursor until all is there', async () => {
    server.requests = manyRequests(250);
    await open('/?range=6h');
    await expect.poll(() => rows().count()).toBe(100);
    expect(await page.getByText('earlier ones are not loaded').count()).toBe(1);
    await page.getByRole('button', { name: 'Load more' }).click();
    await expect.poll(() => rows().count()).toBe(200);
    await page.getByRole('button', { name: 'Load more' }).click();
    await expect.poll(() => rows().count()).toBe(250);
    await page.getByText('That is all: 250 requests.').waitFor();
    expect(server.calls.map((call) => new URL(call, 'http://x').searchParams.get('cursor'))).toEqual([
      null,
      '100',
      '200',
    ]);
  });

  it('refreshes itself when told so', async () => {
    await page.clock.install({ time: now });
    await open('/?range=1h');
    await rows().first().waitFor();
    await page.getByLabel('Auto refresh').check();
    expect(search()).toBe('?live=1');
    server.requests = [...manyRequests(1), ...requests];
    await page.clock.runFor(6_000);
    await expect.poll(() => rows().count()).toBe(requests.length);
  });

  it('is walked and opened by keys, and come back to at the same row', async () => {
    await open('/?range=1h&kind=fetch');
    await rows().first().waitFor();
    await page.keyboard.press('j');
    expect(await focused()).toContain('/api/track');
    await page.keyboard.press('j');
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toContain('/api/checkout');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/requests/${checkoutId}`);
    await page.locator('.wf-grid').waitFor();
    await page.keyboard.press('Escape');
    await page.waitForURL('**/?kind=fetch');
    await expect.poll(focused).toContain('/api/checkout');
  });

  it('goes to the filter with “/”, and leaves single keys alone when asked to', async () => {
    await open('/?range=1h');
    await rows().first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('j?k');
    expect(await page.getByLabel('URL contains').inputValue()).toBe('j?k');
    await page.getByLabel('URL contains').fill('');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    const dialog = page.getByRole('dialog', { name: 'Help' });
    await dialog.getByLabel('Single-character keys act on the page').uncheck();
    await page.keyboard.press('Escape');
    await expect.poll(() => dialog.count()).toBe(0);
    await page.keyboard.press('?');
    expect(await dialog.count()).toBe(0);
  });

  it('says how to begin where nothing was ever seen', async () => {
    server.requests = [];
    await open('/');
    await page.getByText('Waiting for the first request').waitFor();
    const tag = `<script src="${server.origin}/throughline.js" data-application-id="745a78fe5b6e57f6"></script>`;
    await page.getByText(tag).waitFor();
    expect(await violations()).toEqual([]);
    server.requests = requests;
    await rows().first().waitFor();
  });

  it('tells an empty filter from an empty server', async () => {
    await open('/?url=nowhere');
    await page.getByText('No request matches these filters').waitFor();
    await page.getByRole('button', { name: 'Clear the filters' }).click();
    await rows().first().waitFor();
  });

  it('shows what went wrong and what to do, and tries again', async () => {
    server.failure = { status: 503, error: 'the store is busy', hint: 'Wait until the import has ended.' };
    await open('/?range=1h');
    const alert = page.getByRole('alert');
    await expect.poll(() => alert.innerText()).toContain('The store is busy');
    expect(await alert.innerText()).toContain('Wait until the import has ended.');
    expect(await violations()).toEqual([]);
    server.failure = null;
    await page.getByRole('button', { name: 'Try again' }).click();
    await rows().first().waitFor();
    expect(await alert.count()).toBe(0);
  });

  it('asks for a token where the server wants one, and keeps it in this tab', async () => {
    server.token = 'right-0123456789';
    await open('/?range=1h');
    await page.getByLabel('API token').fill('wrong-0123456789');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('The server refused the last token.').waitFor();
    await page.getByLabel('API token').fill(' right-0123456789 ');
    await page.keyboard.press('Enter');
    await rows().first().waitFor();
    await page.reload();
    await rows().first().waitFor();
    expect(page.url()).not.toContain('right-');
    const other = await context.newPage();
    await other.goto(`${server.origin}/traces/${checkoutTrace}`);
    await other.getByRole('heading', { name: 'This server asks for a token', level: 1 }).waitFor();
  });

  it('stands in for rows while they load, and says so when it takes long', async () => {
    let release = () => {};
    server.gate = new Promise((resolve) => {
      release = resolve;
    });
    await page.clock.install({ time: now });
    await open('/?range=1h');
    await page.locator('.skeleton').waitFor();
    await page.clock.runFor(4_000);
    await page.getByText('Still loading.').waitFor();
    release();
    await rows().first().waitFor();
    expect(await page.locator('.skeleton').count()).toBe(0);
  });
});

describe('a request', () => {
  it('explains its verdict and how to mend it', async () => {
    const request = requests.find((candidate) => candidate['link.reason'] === 'not_propagated');
    await open(`/requests/${request?.id}`);
    const card = page.locator('.explanation');
    await expect.poll(() => card.innerText()).toContain('No trace context was sent');
    expect(await card.innerText()).toMatch(/What to do\s+Allow the origin with crossOriginUrlPattern/);
  });

  it('leads to the other requests of its session', async () => {
    await open(`/requests/${checkoutId}`);
    await page.getByRole('link', { name: 'VAELUWHB' }).first().click();
    await expect.poll(search).toContain('session=VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0');
    await rows().first().waitFor();
  });

  it('copies ids whole', async () => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await open(`/requests/${checkoutId}`);
    await page.getByRole('button', { name: 'Copy the trace id' }).click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(checkoutTrace);
  });

  it('shows the clock correction and where the time went', async () => {
    await open(`/requests/${checkoutId}`);
    await page.getByText('shifted by +1.84 s ± 6.4 ms').waitFor();
    expect((await page.locator('.timesplit dl').innerText()).replace(/\s+/g, ' ')).toContain(
      'Backend 1.17 s',
    );
  });

  it('opens a pasted traceparent', async () => {
    await open('/');
    const box = page.getByLabel('Open a trace or request by its id');
    await box.fill('nonsense');
    await box.press('Enter');
    await page.getByText('A trace id has 32 hexadecimal digits').waitFor();
    await box.fill(`00-${checkoutTrace}-5be1c9d07f3a2244-01`);
    await box.press('Enter');
    await page.waitForURL(`**/traces/${checkoutTrace}`);
  });
});

describe('the waterfall', () => {
  it('draws phases and spans on one axis, and marks entry and errors', async () => {
    await open(`/requests/${checkoutId}`);
    const grid = page.getByRole('treegrid');
    await grid.waitFor();
    const names = await grid.locator('.line .name').allInnerTexts();
    expect(names.slice(0, 9)).toEqual([
      'POST /api/checkout',
      'Queueing',
      'DNS',
      'Connect',
      'TLS',
      'Request sent',
      'Waiting for answer',
      'Download',
      'POST /api/checkout',
    ]);
    expect(await line('entry').innerText()).toContain('payment was declined upstream');
    const box = async (text: string) =>
      (await line(text).locator('.bar').first().boundingBox()) ?? { x: 0, width: 0 };
    const [waiting, entry] = [await box('Waiting for answer'), await box('entry')];
    expect(entry.x).toBeGreaterThan(waiting.x);
    expect(entry.x + entry.width).toBeLessThan(waiting.x + waiting.width);
  });

  it('is one tab stop, moved and folded by the arrow keys', async () => {
    await open(`/requests/${checkoutId}`);
    const grid = page.getByRole('treegrid');
    await grid.waitFor();
    expect(await grid.locator('[tabindex="0"]').count()).toBe(1);
    await grid.locator('[tabindex="0"]').focus();
    const count = async () => Number(await grid.getAttribute('aria-rowcount'));
    const all = await count();

    await page.keyboard.press('ArrowDown');
    expect(await focused()).toContain('Queueing');
    await page.keyboard.press('ArrowLeft');
    expect(await focused()).toContain('POST /api/checkout');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(count).toBe(2);
    expect(await page.locator(':focus').getAttribute('aria-expanded')).toBe('false');
    await page.keyboard.press('ArrowRight');
    await expect.poll(count).toBe(all);
    await page.keyboard.press('End');
    expect(await focused()).toContain('audit.write');
    await page.keyboard.press('Home');
    await page.keyboard.press('e');
    expect(await page.locator(':focus').innerText()).toContain('entry');
  });

  it('keeps its tab stop, and the keys, when the active row is folded away', async () => {
    await open(`/requests/${checkoutId}`);
    const grid = page.getByRole('treegrid');
    await grid.waitFor();
    await line('session.load').focus();
    await line('entry').getByRole('button', { name: 'Collapse' }).click();
    await expect.poll(() => line('entry').getAttribute('aria-expanded')).toBe('false');
    expect(await grid.locator('[tabindex="0"]').count()).toBe(1);
    expect(await focused()).toContain('entry');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => line('entry').getAttribute('aria-expanded')).toBe('true');
  });

  it('opens details by key, follows the row, and closes before it goes back', async () => {
    await open(`/requests/${checkoutId}`);
    await line('entry').focus();
    await page.keyboard.press('Enter');
    const panel = page.getByRole('complementary');
    await expect.poll(() => panel.innerText()).toContain('http.route');
    await expect.poll(() => panel.innerText()).toContain('dtr entry in the trace state');
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => panel.getByRole('heading', { level: 3 }).innerText()).toBe('session.load');
    const address = page.url();
    await page.keyboard.press('Escape');
    await expect.poll(() => panel.count()).toBe(0);
    expect(await focused()).toContain('session.load');
    await page.keyboard.press('Escape');
    await page.waitForURL(`${server.origin}/`);

    await page.goto(address);
    await expect.poll(() => panel.getByRole('heading', { level: 3 }).innerText()).toBe('session.load');
  });

  it('says so where no user stands behind a span', async () => {
    await open(`/traces/${largeTrace}`);
    await line('import row 3').click();
    await page.getByText('No frontend is known').waitFor();
  });

  it('shows exact times under the pointer', async () => {
    await open(`/traces/${checkoutTrace}`);
    await line('SELECT catalog.items').locator('.bar').hover();
    const tooltip = page.getByRole('tooltip');
    expect(await tooltip.innerText()).toContain('84.600 ms');
    expect(await tooltip.innerText()).toContain('SELECT id, sku, price, stock');
  });

  it('zooms by drag and by key, and shows all again', async () => {
    await open(`/traces/${checkoutTrace}`);
    const axis = page.locator('.wf-axis');
    const labels = () => axis.locator('span').allInnerTexts();
    await axis.waitFor();
    const before = await labels();
    const box = await axis.boundingBox();
    if (!box) throw new Error('the axis has no box');
    await page.mouse.move(box.x + box.width * 0.1, box.y + 10);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.2, box.y + 10, { steps: 4 });
    await page.mouse.up();
    await expect.poll(labels).toContain('140 ms');
    expect(await page.getByRole('complementary').count()).toBe(0);
    await page.keyboard.press('0');
    await expect.poll(labels).toEqual(before);
    await page.keyboard.press('+');
    await expect.poll(labels).not.toEqual(before);
    await page.getByRole('button', { name: 'Show all' }).click();
    await expect.poll(labels).toEqual(before);
  });

  it('draws few of 2,000 rows, reaches all, and keeps the focus on scrolling', async () => {
    await open(`/traces/${largeTrace}`);
    const drawn = page.locator('.wf-rows .line');
    await drawn.first().waitFor();
    expect(await page.getByRole('treegrid').getAttribute('aria-rowcount')).toBe('2001');
    expect(await drawn.count()).toBeLessThan(120);
    await drawn.first().focus();
    await page.keyboard.press('End');
    await expect.poll(focused).toContain('import row 1999');
    await page.keyboard.press('e');
    await expect.poll(focused).toContain('import row 1500');
    await page.evaluate(() => window.scrollTo(0, 0));
    await line('POST /import').waitFor();
    expect(await focused()).toContain('import row 1500');
    expect(await drawn.count()).toBeLessThan(120);
  });
});

describe('the theme', () => {
  it('follows the system until it is chosen, and stays chosen', async () => {
    await open('/?range=1h');
    const scheme = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
    expect(await scheme()).toBe('light dark');
    await page.getByRole('button', { name: 'Theme: system' }).click();
    await page.getByRole('button', { name: 'Theme: light' }).click();
    expect(await scheme()).toBe('dark');
    await page.reload();
    expect(await scheme()).toBe('dark');
    await page.getByRole('button', { name: 'Theme: dark' }).click();
    expect(await scheme()).toBe('light dark');
  });
});

describe('hostile strings', () => {
  const harmless = async () => {
    expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
    expect(await page.locator('img, iframe, #app script, #app svg[onload]').count()).toBe(0);
    const links = await page
      .locator('a')
      .evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).protocol));
    expect(new Set(links)).toEqual(new Set(['http:']));
  };

  it('are text in the list', async () => {
    await open('/?range=all&url=javascript');
    await expect.poll(() => rows().count()).toBe(1);
    expect(await rows().innerText()).toContain(hostile.markup);
    await harmless();
    await rows().locator('a').click();
    await page.waitForURL(`**/requests/${hostileId}`);
  });

  it('are text on the page of a request, its tooltips and details', async () => {
    await open(`/requests/${hostileId}`);
    await page.locator('.wf-grid').waitFor();
    for (const place of ['.explanation', '.facts', '.wf-legend', '.wf-rows']) {
      expect(await page.locator(place).innerText()).toContain('onerror="window.hacked=1"');
    }
    await page.locator('.line.t-span .bar').hover();
    expect(await page.getByRole('tooltip').innerText()).toContain(hostile.markup);
    await page.locator('.line.t-span').click();
    await page.getByText('No frontend is known').waitFor();
    const panel = page.getByRole('complementary');
    expect(await panel.innerText()).toContain(hostile.scheme);
    expect(await panel.innerText()).toContain(hostile.bidi);
    await page.getByText('Other attributes').click();
    await harmless();
    expect(await violations()).toEqual([]);
  });

  it('in the address stay there', async () => {
    await open(`/?range=all&session=${encodeURIComponent(hostile.markup)}`);
    await expect.poll(() => rows().count()).toBe(1);
    expect(await page.getByLabel('Session id').inputValue()).toBe(hostile.markup);
    await harmless();
  });
});

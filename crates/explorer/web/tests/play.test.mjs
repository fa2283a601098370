// The page of the course to play with, docs/play.html, in a browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";

const PAGE = pathToFileURL(resolve("../../../docs/play.html")).href;
/** what the example `course` of gradus wrote */
const PATHS = resolve(process.env.PATHS ?? "../../../target/play.json");

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
});
after(() => browser.close());

/** Opens the page, and fails at the end if it complained or asked a network for something. */
async function open(hash, look, { dark = false, width = 1200 } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: dark ? "dark" : "light" });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on(
    "request",
    (request) => /^(file|data|blob):/.test(request.url()) || faults.push(`asked for ${request.url()}`),
  );
  await page.goto(PAGE + hash);
  await look(page);
  assert.deepEqual(faults, []);
  await context.close();
}

const set = (page, label, value) => page.getByLabel(label, { exact: true }).fill(String(value));
const row = (page, name) => page.locator("tbody tr", { hasText: name }).innerText();

test("the descents of the page are those of gradus", async () => {
  const runs = JSON.parse(readFileSync(PATHS, "utf8"));
  await open("", async (page) => {
    for (const { cost, method, rate, keep, steps, path } of runs) {
      const own = await page.evaluate(
        ([cost, start, settings]) => window.descend(window.costs[cost], start, settings),
        [cost, path[0], { method, rate, keep, steps }],
      );
      assert.equal(own.length, path.length, `${method} on ${cost}`);
      own.forEach((point, i) =>
        point.forEach((x, k) =>
          assert.ok(Math.abs(x - path[i][k]) < 1e-9, `${method} on ${cost}, step ${i}: ${x} and ${path[i][k]}`),
        ),
      );
    }
  });
});

test("the learning rate decides what happens", () =>
  open("#rate", async (page) => {
    for (const [exponent, verdict] of [
      [-1.5, "has arrived"],
      [-4, "is on its way"],
      [-0.6, "diverges"],
    ]) {
      await set(page, "learning rate, plain", exponent);
      assert.match(await row(page, "plain"), new RegExp(verdict));
    }
  }));

test("more momentum rolls past the first minimum", () =>
  open("#momentum", async (page) => {
    const last = () => page.locator(".path.c1 .ball").getAttribute("cy").then(Number);
    const before = await last();
    await page.getByRole("slider", { name: "momentum", exact: true }).fill("0.9");
    assert.ok(Math.abs((await last()) - before) > 100, "it ends further down on the map");
  }));

test("a click starts the descents elsewhere, and the button goes back", () =>
  open("#ravine", async (page) => {
    const first = () => page.locator(".path.c0 circle").first().getAttribute("cx");
    const before = await first();
    await page.locator(".descent").click({ position: { x: 150, y: 100 } });
    assert.notEqual(await first(), before);
    await page.getByRole("button", { name: "Start at" }).click();
    assert.equal(await first(), before);
  }));

test("playing goes step by step to the end", () =>
  open("#rate", async (page) => {
    const step = page.getByRole("slider", { name: "step", exact: true });
    await step.fill("110");
    await page.getByRole("button", { name: "Play" }).click();
    await page.getByRole("button", { name: "Play" }).waitFor();
    assert.equal(await step.inputValue(), "120");
  }));

test("the address chooses the page, and the tabs change it", () =>
  open("#ravine", async (page) => {
    assert.equal(await page.locator("h1").innerText(), "The ravine");
    await page.getByRole("link", { name: "The learning rate" }).click();
    await page.getByRole("heading", { name: "The learning rate on a curve" }).waitFor();
    assert.ok(page.url().endsWith("#rate"));
  }));

test("everybody can use it: axe finds nothing, in both themes and on a narrow page", async () => {
  for (const [hash, dark, width] of [
    ["#rate", false, 1200],
    ["#momentum", true, 1200],
    ["#ravine", false, 380],
    ["#ravine", true, 1200],
  ]) {
    await open(
      hash,
      async (page) => {
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => window.axe.run());
        assert.deepEqual(
          violations.map((v) => `${v.id}: ${v.nodes[0].html}`),
          [],
          hash,
        );
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${hash} is ${wide} pixels too wide`);
      },
      { dark, width },
    );
  }
});

// The pages in a browser. `npm test` runs them on the pages in the folder that PAGES names, as the example `explore`
// writes them; CHROMIUM names the browser.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";

const PAGES = resolve(process.env.PAGES ?? "../../../target/explore");
const DEMONSTRATIONS = ["line", "reused", "xor", "digits", "long"];
const scratch = mkdtempSync(join(tmpdir(), "explorer-"));

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
});
after(() => browser.close());

const file = (name) => join(PAGES, `${name}.html`);
const MARK = '<script id="story" type="application/json">';

/** The data of a page. */
function dataOf(path) {
  const text = readFileSync(path, "utf8");
  const start = text.indexOf(MARK) + MARK.length;
  return JSON.parse(text.slice(start, text.indexOf("</script>", start)));
}

/** A page with other data. */
function pageWith(name, data) {
  const text = readFileSync(file("line"), "utf8");
  const start = text.indexOf(MARK) + MARK.length;
  const path = join(scratch, `${name}.html`);
  const json = typeof data === "string" ? data : JSON.stringify(data).replaceAll("<", "\\u003c");
  writeFileSync(path, text.slice(0, start) + json + text.slice(text.indexOf("</script>", start)));
  return path;
}

/** Opens a page, and fails at the end if it complained or asked a network for something. */
async function open(path, { width = 1400, height = 1000, dark = false, hash = "" } = {}, look) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light" });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on(
    "request",
    (request) => /^(file|data|blob):/.test(request.url()) || faults.push(`asked for ${request.url()}`),
  );
  await page.goto(pathToFileURL(path).href + hash);
  try {
    await look(page);
  } finally {
    await context.close();
  }
  assert.deepEqual(faults, []);
}

/** The numbers of the table under a caption. */
const numbersUnder = (page, caption) =>
  page
    .locator("figure.heat", { has: page.locator("figcaption", { hasText: caption }) })
    .first()
    .locator("td")
    .evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.value)));

const position = async (page) => Number((await page.locator(".scrub span").first().innerText()).match(/(\d+) \//)[1]);

/** Waits until the page is at a step. */
const reached = (page, at) =>
  page.waitForFunction((at) => document.querySelector(".scrub span").textContent.includes(` ${at} `), at);

/** Waits until what is said holds: the page follows a key or a click a moment later. */
async function eventually(holds) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await holds();
    } catch (error) {
      if (tries === 40) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

/** Goes to a step by its address. */
async function goTo(page, at) {
  await page.evaluate((at) => (location.hash = `step=${at}`), at);
  await reached(page, at);
}

for (const name of DEMONSTRATIONS) {
  test(`${name}: each step has its sentence, forward and back`, () =>
    open(file(name), {}, async (page) => {
      const { trace } = dataOf(file(name)).records[0];
      const count = trace.steps.length + trace.steps.filter((step) => step.gradient).length;
      const few = Math.min(count, 60);
      for (let at = 1; at <= few; at += 1) {
        await reached(page, at);
        assert.match(
          await page.locator(".sentence").innerText(),
          new RegExp(`^Step ${at} of ${count}, (forward|backward): `),
        );
        await page.keyboard.press("ArrowRight");
      }
      await page.keyboard.press("End");
      await reached(page, count);
      await page.getByRole("button", { name: "Previous step" }).click();
      await reached(page, count - 1);
      await page.getByRole("button", { name: "First step" }).click();
      await page.keyboard.press("ArrowLeft");
      await reached(page, 1);
      for (let i = 0; i < 5; i += 1)
        await page.evaluate(() =>
          document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true })),
        );
      await reached(page, 6); // no key is lost, however fast they come
    }));

  test(`${name}: the terms of each gradient add up to it`, () => {
    for (const { trace } of dataOf(file(name)).records) {
      for (const step of trace.steps.filter((s) => s.gradient?.data && s.step !== trace.cost)) {
        const sum = step.gradient.data.map(() => 0);
        let whole = true;
        for (const user of trace.steps) {
          for (const input of user.inputs.filter((i) => i.step === step.step && i.contribution)) {
            if (input.contribution.data) input.contribution.data.forEach((x, i) => (sum[i] += x));
            else whole = false;
          }
        }
        if (!whole) continue;
        const size = Math.max(...step.gradient.data.map(Math.abs), 1e-12);
        step.gradient.data.forEach((g, i) =>
          assert.ok(Math.abs(g - sum[i]) <= 2e-4 * size, `step ${step.step}: ${g} and ${sum[i]}`),
        );
      }
      // in single precision, with the cost's rounding over a step of some 10⁻³
      const rounding = (slope) => (2e-4 * Math.max(1, Math.abs(slope.costs[20]))) / Math.max(1, Math.abs(slope.value));
      for (const slope of trace.slopes) {
        const room = 0.02 * Math.abs(slope.gradient) + rounding(slope);
        assert.ok(Math.abs(slope.gradient - slope.difference) <= room, JSON.stringify({ ...slope, at: 0, costs: 0 }));
      }
      assert.ok(trace.slopes.some((slope) => Math.abs(slope.gradient) > 3 * rounding(slope)));
    }
  });

  for (const [width, dark] of [
    [1400, false],
    [1400, true],
    [400, false],
    [400, true],
  ]) {
    test(`${name}: accessible and within its window, ${width} wide, ${dark ? "dark" : "light"}`, () =>
      open(file(name), { width, dark }, async (page) => {
        const { trace } = dataOf(file(name)).records[0];
        for (const at of [1, trace.steps.length - 1, trace.steps.length + 2]) {
          await goTo(page, at);
          await page.evaluate(axe.source);
          const { violations } = await page.evaluate(() => axe.run());
          assert.deepEqual(
            violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target + " " + n.failureSummary).join("; ")}`),
            [],
          );
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, `the page is ${wide} pixels wider than its window`);
        }
        for (const panel of await page.locator(".tabs button").all()) {
          await panel.click();
          await eventually(async () => assert.equal(await panel.getAttribute("aria-pressed"), "true"));
          const { violations } = await page.evaluate(() => axe.run(".panels"));
          assert.deepEqual(
            violations.map((v) => v.id),
            [],
          );
        }
      }));
  }
}

test("the numbers on the page are those of the data", () =>
  open(file("reused"), {}, async (page) => {
    const { trace } = dataOf(file("reused")).records[0];
    for (const [at, step] of trace.steps.entries()) {
      await goTo(page, at + 1);
      const label = step.inputs.length === 0 ? "value" : "output";
      await eventually(async () => assert.deepEqual(await numbersUnder(page, label), step.value.data));
    }
    const back = trace.steps.filter((step) => step.gradient).reverse();
    for (const [at, step] of back.entries()) {
      await goTo(page, trace.steps.length + at + 1);
      await eventually(async () =>
        assert.deepEqual(await numbersUnder(page, "gradient that arrives"), step.gradient.data),
      );
      for (const input of step.inputs.filter((i) => i.contribution)) {
        assert.ok((await numbersUnder(page, "passed on")).length > 0);
        assert.ok(input.contribution.data.length > 0);
      }
    }
  }));

test("where two gradients meet, the sum is written out", () =>
  open(file("reused"), {}, async (page) => {
    const { trace } = dataOf(file("reused")).records[0];
    const back = trace.steps.filter((step) => step.gradient).reverse();
    await goTo(page, trace.steps.length + 1 + back.findIndex((step) => step.name === "w"));
    const sum = await page.locator(".sum").innerText();
    assert.match(sum, /\(from right, then left\)/);
    const parts = sum.split("(from")[0].split("=");
    assert.equal(parts.length, 3, sum);
    const value = parts[1]
      .split("+")
      .map((term) =>
        term
          .replaceAll("−", "-")
          .replace(/[()]/g, "")
          .split("·")
          .reduce((a, b) => a * Number(b), 1),
      )
      .reduce((a, b) => a + b);
    assert.equal(value, Number(parts[2].replaceAll("−", "-")));
  }));

test("the lit part of the source is the operation", async () => {
  // a line that runs a hundred times, operators with numbers, arrays that were given to an operator
  const want = {
    line: ["var", "var", "&x", "*", "+", "&y", "-", "square", "mean"],
    reused: ["var", "var", "*", "square", "*", "+"],
    long: ["var", "var", "var", "*", "+", "tanh", "*", "-", "*", "+", "tanh", "*", "-", "*"],
  };
  for (const [name, lit] of Object.entries(want)) {
    await open(file(name), {}, async (page) => {
      for (const [at, text] of lit.entries()) {
        await goTo(page, at + 1);
        await eventually(async () =>
          assert.equal(await page.locator(".code mark").innerText(), text, `step ${at + 1}`),
        );
      }
    });
  }
});

test("an address that is set just after a frame is not overwritten by that of the step before", () =>
  open(file("long"), {}, async (page) => {
    const lost = await page.evaluate(async () => {
      const frame = () => new Promise(requestAnimationFrame);
      const message = () =>
        new Promise((done) => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = done;
          port2.postMessage(0);
        });
      const lost = [];
      for (let at = 2; at < 30; at += 1) {
        location.hash = `step=${at}`;
        const shown = () => document.querySelector(".scrub span").textContent.includes(` ${at} `);
        for (let frames = 0; !shown() && frames < 30; frames += 1) await frame();
        if (!shown()) lost.push(at);
        await message();
      }
      return lost;
    });
    assert.deepEqual(lost, []);
  }));

test("operators are found by Rust's precedence, in parentheses and over lines", () => {
  const story = dataOf(file("line"));
  const lines = [
    "let cost = ((a + b) * (a - b) + a * b) / (a * a);",
    "1.0 / (1.0 + (-z).exp())",
    "a.relu() + f(b * b)[0]",
    "    .sqrt()",
    "    - 1e-3 * w - x",
  ];
  // operation, line and column as the compiler gives them, and what is to be lit: line and column
  const steps = [
    ["add", 1, 13, 1, 16],
    ["sub", 1, 23, 1, 26],
    ["mul", 1, 13, 1, 21],
    ["mul", 1, 33, 1, 35],
    ["add", 1, 12, 1, 31],
    ["mul", 1, 42, 1, 45],
    ["div", 1, 12, 1, 40],
    ["negative", 2, 14, 2, 15],
    ["exp", 2, 19, 2, 19],
    ["add_number", 2, 7, 2, 12],
    ["div_into", 2, 1, 2, 5],
    ["add", 3, 1, 3, 10],
    ["mul_number", 5, 7, 5, 12],
    ["sub", 3, 1, 5, 5],
    ["sub", 3, 1, 5, 16],
  ];
  story.sources = [{ file: "x.rs", parts: [{ first: 1, lines }] }];
  const blank = { ...story.records[0].trace.steps[0], inputs: [], gradient: null, name: null, file: "x.rs" };
  story.records[0].trace.steps = steps.map(([operation, line, column], step) => ({
    ...blank,
    step,
    operation,
    line,
    column,
  }));
  Object.assign(story.records[0].trace, { cost: steps.length - 1, slopes: [] });
  return open(pageWith("operators", story), {}, async (page) => {
    for (const [at, [operation, , , line, column]] of steps.entries()) {
      await goTo(page, at + 1);
      const lit = () =>
        page
          .locator(".code mark")
          .evaluate((mark) => [
            Number(mark.closest(".row").querySelector(".number").textContent),
            mark.previousSibling.textContent.length + 1,
          ]);
      await eventually(async () => assert.deepEqual(await lit(), [line, column], `step ${at + 1}, ${operation}`));
    }
  });
});

test("a link opens at its step, and the address follows", () =>
  open(file("xor"), { hash: "#record=3&step=12" }, async (page) => {
    await reached(page, 12);
    assert.match(await page.locator(".scrub").nth(1).innerText(), /training step 40/);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction(() => location.hash === "#record=4&step=13");
    await page.getByRole("button", { name: "Training" }).click();
    await eventually(async () =>
      assert.match(await page.locator(".panels").innerText(), /At training step 60, the cost is/),
    );
  }));

test("play goes on by itself, and stops", () =>
  open(file("line"), {}, async (page) => {
    await page.getByRole("button", { name: "Play" }).click();
    await page.waitForFunction(() => document.querySelector(".scrub span").textContent.includes(" 3 "));
    await page.getByRole("button", { name: "Pause" }).click();
    const stopped = await position(page);
    await page.waitForTimeout(1200);
    assert.equal(await position(page), stopped);
  }));

test("groups open and fold", () =>
  open(file("long"), {}, async (page) => {
    const nodes = () => page.locator(".graph .node").count();
    const folded = await nodes();
    assert.ok(folded < 30, `${folded} nodes`);
    await page.getByRole("button", { name: "Open all" }).click();
    await eventually(async () => assert.ok((await nodes()) > 490));
    await page.keyboard.press("ArrowRight");
    await page.getByRole("button", { name: "Fold all" }).click();
    await eventually(async () => assert.equal(await nodes(), folded));
    await page.locator(".graph .node.group").first().click();
    await eventually(async () => assert.ok((await nodes()) > folded));
  }));

test("pointing at a number marks what belongs to it", () =>
  open(file("xor"), {}, async (page) => {
    const { trace } = dataOf(file("xor")).records[0];
    const at = trace.steps.findIndex((step) => step.operation === "linear" || step.operation === "matmul");
    await goTo(page, at + 1);
    const output = page.locator("figure.heat", { has: page.locator("figcaption", { hasText: "output" }) });
    await output.locator("td").nth(5).hover(); // row 1, column 1 of 4
    const marked = (caption) =>
      page
        .locator("figure.heat", { has: page.locator("figcaption", { hasText: caption }) })
        .locator("td")
        .evaluateAll((cells) => cells.flatMap((cell, i) => (cell.className === "marked" ? [i] : [])));
    // the row [0, 1] of x meets row 1 of the weight; a factor of 0 lets nothing through
    await eventually(async () => {
      assert.deepEqual([await marked("input: x"), await marked("weight"), await marked("bias")], [[2, 3], [3], [1]]);
    });
  }));

test("in larger arrays, names and sizes say what belongs together", () =>
  open(file("digits"), {}, async (page) => {
    const { trace } = dataOf(file("digits")).records[0];
    const figure = (caption) => page.locator("figure.heat", { has: page.locator("figcaption", { hasText: caption }) });
    const at = trace.steps.findLastIndex((step) => step.operation === "linear");
    const [rows, columns] = trace.steps.find((step) => step.step === trace.steps[at].inputs[1].step).value.shape;
    await goTo(page, at + 1);
    const box = await figure("output").locator("canvas").boundingBox();
    const [height, width] = trace.steps[at].value.shape;
    await page.mouse.move(box.x + (3.5 / width) * box.width, box.y + (1.5 / height) * box.height); // row 1, column 3
    // the weight has a row for each column of the output: row 3 is framed
    const framed = () =>
      figure("weight")
        .locator("canvas")
        .evaluate(
          (canvas, [rows, columns]) => {
            const copy = Object.assign(document.createElement("canvas"), {
              width: canvas.width,
              height: canvas.height,
            });
            const context = copy.getContext("2d", { willReadFrequently: true });
            context.drawImage(canvas, 0, 0);
            const side = canvas.width / columns;
            const corners = (row) =>
              Array.from({ length: columns }, (_, c) => context.getImageData(c * side, row * side, 1, 1).data.join());
            return Array.from({ length: rows }, (_, row) => row).filter((row) => new Set(corners(row)).size === 1);
          },
          [rows, columns],
        );
    await eventually(async () => assert.deepEqual(await framed(), [3]));
  }));

test("the quiz hides the gradient, judges and counts", () =>
  open(file("reused"), {}, async (page) => {
    const { trace } = dataOf(file("reused")).records[0];
    await page.getByRole("button", { name: "Quiz" }).click();
    await goTo(page, trace.steps.length + 2);
    await page.locator(".quiz input").waitFor();
    assert.match(await page.locator(".card").innerText(), /hidden until you answer/);
    const back = trace.steps.filter((step) => step.gradient).reverse();
    await page.locator(".quiz input").fill(String(back[1].gradient.data[0]));
    await page.keyboard.press("Enter");
    await eventually(async () => assert.match(await page.locator(".verdict").innerText(), /^Right\./));
    await goTo(page, trace.steps.length + 3);
    await page.locator(".quiz input").fill("123");
    await page.getByRole("button", { name: "Answer" }).click();
    await eventually(async () => assert.match(await page.locator(".verdict").innerText(), /^Not right\. It is /));
    assert.match(await page.locator(".score").innerText(), /1 of 2 right/);
    assert.doesNotMatch(await page.locator(".card").innerText(), /hidden until you answer/);
  }));

test("dark and light", () =>
  open(file("line"), {}, async (page) => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.getByRole("button", { name: "Dark" }).click();
    await eventually(async () => assert.notEqual(await ground(), light));
    await page.getByRole("button", { name: "Light" }).click();
    await eventually(async () => assert.equal(await ground(), light));
  }));

test("text of a program is shown and not interpreted", () => {
  const hostile = `</script><img src=x onerror="document.title='broken'">"'&amp;<b>`;
  const story = dataOf(file("line"));
  story.title = hostile;
  story.records[0].label = "inf"; // a text that looks like a number is a text
  for (const step of story.records[0].trace.steps)
    Object.assign(step, { name: hostile, file: hostile, formula: hostile });
  story.sources = [{ file: hostile, parts: [{ first: 1, lines: Array(900).fill(hostile) }] }];
  return open(pageWith("hostile", story), {}, async (page) => {
    assert.equal(await page.locator("h1").innerText(), hostile);
    await page.keyboard.press("End");
    await eventually(async () => assert.match(await page.locator(".sentence").innerText(), /backward/));
    assert.equal(await page.locator("img").count(), 0);
    assert.ok((await page.locator("body").innerText()).includes(hostile));
    assert.equal(await page.title(), hostile);
  });
});

test("data that the page cannot show are named in a sentence", async () => {
  const story = dataOf(file("line"));
  const broken = { ...story, records: [{ label: "0", trace: { ...story.records[0].trace, steps: [{ step: 0 }] } }] };
  const cases = [
    ["version", { ...story, version: 99 }, /format version 99, and this page shows version 1/],
    ["json", '{"format": ', /damaged: they are not JSON/],
    ["other", { hello: 1 }, /not a story of gradus/],
    ["empty", "", /has no data/],
    ["records", { ...story, records: [] }, /there are no records/],
    ["steps", broken, /a step of record 0 is not complete/],
  ];
  for (const [name, data, sentence] of cases) {
    await open(pageWith(name, data), {}, async (page) =>
      assert.match(await page.locator("[role=alert]").innerText(), sentence),
    );
  }
});

test("the page is small enough", () => {
  const bytes = (name) => readFileSync(file(name)).length;
  assert.ok(bytes("digits") <= 3_000_000, `${bytes("digits")} bytes`);
  assert.ok(readFileSync("../page.html").length <= 250_000);
});

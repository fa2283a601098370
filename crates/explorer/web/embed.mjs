// Moves the built page to where the crate embeds it, with the licences of what is in it.
import { readFileSync, writeFileSync } from "node:fs";

const page = readFileSync("dist/index.html", "utf8");
const licences = readFileSync("THIRD_PARTY.txt", "utf8").trim();
if (!page.includes("<!--THIRD PARTY-->")) throw new Error("the page has no place for the licences");
const whole = page.replace("<!--THIRD PARTY-->", `<!--\n${licences}\n-->`);
if (Buffer.byteLength(whole) > 250_000)
  throw new Error(`the page has ${Buffer.byteLength(whole)} bytes; at most 250,000 are allowed`);
writeFileSync("../page.html", whole);
console.log(`page.html: ${Buffer.byteLength(whole)} bytes`);

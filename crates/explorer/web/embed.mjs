// Moves the built pages to where they are used, with the licences of what is in them: the explorer's page, which the
// crate embeds, and the page of the course to play with.
import { readFileSync, writeFileSync } from "node:fs";

const licences = readFileSync("THIRD_PARTY.txt", "utf8").trim();
for (const [built, goal, limit] of [
  ["dist/index.html", "../page.html", 250_000],
  ["dist/play.html", "../../../docs/play.html", 100_000],
]) {
  const page = readFileSync(built, "utf8");
  if (!page.includes("<!--THIRD PARTY-->")) throw new Error(`${built} has no place for the licences`);
  const whole = page.replace("<!--THIRD PARTY-->", `<!--\n${licences}\n-->`);
  const bytes = Buffer.byteLength(whole);
  if (bytes > limit) throw new Error(`${goal} has ${bytes} bytes; at most ${limit} are allowed`);
  writeFileSync(goal, whole);
  console.log(`${goal}: ${bytes} bytes`);
}

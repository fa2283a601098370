// The documentation's sentences, with their formulas as MathML.

import type { ComponentChildren, VNode } from "preact";

/** A sentence whose parts in backquotes are formulas or names. */
export function Formula({ text }: { text: string }) {
  const parts = text.split("`");
  return (
    <p class="formula">
      {parts.map((part, i) =>
        i % 2 === 0 ? part : isMath(part) ? <math>{mathematics(part)}</math> : <code>{part}</code>,
      )}
    </p>
  );
}

const isMath = (text: string): boolean => /[=²³⁻√∑Σ∂·≤≥]|d\w\/d\w/.test(text) && !/[;{]|::|\(\)/.test(text);

const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱᵀᵖˣᵃᵇᵏʲᵐᶻʸ";
const SUPER_PLAIN = "0123456789+−()niTpxabkjmzy";
const SUB = "₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼₖₗₘₙₓᵣₛₜₚ";
const SUB_PLAIN = "0123456789+−ijklmnxrstp";

/** The MathML of a formula that is written with the characters of Unicode. Unknown characters stay what they are. */
export function mathematics(formula: string): VNode[] {
  const text = formula.normalize("NFD"); // a letter with a bar becomes a letter and a bar
  const out: VNode[] = [];
  let i = 0;
  const run = (alphabet: string, plain: string): string => {
    let found = "";
    while (i < text.length && alphabet.includes(text[i])) found += plain[alphabet.indexOf(text[i++])];
    return found;
  };
  const scripts = (base: VNode): VNode => {
    const below = run(SUB, SUB_PLAIN);
    const above = run(SUPER, SUPER_PLAIN);
    const row = (s: string): ComponentChildren => <mrow>{atoms(s)}</mrow>;
    if (text[i] === "^" && i + 1 < text.length) {
      i += 1;
      const power = text[i] === "(" ? mathematics(group()) : scripts(atom());
      return (
        <msup>
          {base}
          <mrow>{power}</mrow>
        </msup>
      );
    }
    if (below && above)
      return (
        <msubsup>
          {base}
          {row(below)}
          {row(above)}
        </msubsup>
      );
    if (below)
      return (
        <msub>
          {base}
          {row(below)}
        </msub>
      );
    return above ? (
      <msup>
        {base}
        {row(above)}
      </msup>
    ) : (
      base
    );
  };
  const group = (): string => {
    // the text of a parenthesis that begins at i, without its ends
    let depth = 0;
    const start = i;
    for (; i < text.length; i += 1) {
      if (text[i] === "(") depth += 1;
      if (text[i] === ")" && --depth === 0) break;
    }
    i += 1;
    return text.slice(start + 1, i - 1);
  };
  const atom = (): VNode => {
    const rest = text.slice(i);
    const partial = /^([d∂][A-Za-z]?[₀-₉ᵢⱼ]*)\/([d∂][A-Za-z][₀-₉ᵢⱼ]*)/.exec(rest);
    if (partial) {
      i += partial[0].length;
      return (
        <mfrac>
          <mrow>{differential(partial[1])}</mrow>
          <mrow>{differential(partial[2])}</mrow>
        </mfrac>
      );
    }
    const number = /^\d+(\.\d+)?/.exec(rest);
    if (number) {
      i += number[0].length;
      return <mn>{number[0]}</mn>;
    }
    const barred = /^(.)\u0304/.exec(rest);
    if (barred) {
      i += 2;
      return (
        <mover accent>
          <mi>{barred[1]}</mi>
          <mo>¯</mo>
        </mover>
      );
    }
    const word = /^([A-Za-zα-ωΑ-Ω′](?!\u0304))+/.exec(rest);
    if (word) {
      i += word[0].length;
      return <mi>{word[0]}</mi>;
    }
    if (text[i] === "^") {
      // handled where a base stands before it
      i += 1;
      return <mo>^</mo>;
    }
    if (text[i] === "√") {
      i += 1;
      return <msqrt>{text[i] === "(" ? mathematics(group()) : i < text.length ? scripts(atom()) : null}</msqrt>;
    }
    if (text[i] === "(") {
      const inner = mathematics(group());
      return (
        <mrow>
          <mo stretchy={false}>(</mo>
          {inner}
          <mo stretchy={false}>)</mo>
        </mrow>
      );
    }
    const c = String.fromCodePoint(text.codePointAt(i) ?? 32);
    i += c.length;
    return c === " " ? <mspace width="0.2em" /> : <mo stretchy={false}>{c}</mo>;
  };
  while (i < text.length) out.push(scripts(atom()));
  return out;
}

const atoms = (text: string): VNode[] =>
  [...text].map((c) => (/\d/.test(c) ? <mn>{c}</mn> : /[A-Za-z]/.test(c) ? <mi>{c}</mi> : <mo>{c}</mo>));

function differential(text: string): VNode[] {
  return [<mo>{text[0]}</mo>, ...mathematics(text.slice(1))];
}

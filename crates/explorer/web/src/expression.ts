// Where the operators of a Rust expression stand.
//
// The compiler gives a step the place where its expression begins. For `a * b + c`, that is `a` for both operators. So
// the expression is read from there, with Rust's precedence, as far as it goes.

/** An operator with its operands, as ranges of characters. */
export interface Operator {
  /** where the expression of this operator begins */
  start: number;
  /** where the operator itself stands */
  at: number;
  /** `+`, `-`, `*`, `/`, or `neg` for a minus before one operand */
  kind: string;
  operands: [number, number][];
}

interface Read {
  start: number;
  /** the operator that is evaluated last, unless a call comes after it */
  top: Operator | null;
}

const PRECEDENCE: Record<string, number> = { "+": 1, "-": 1, "*": 2, "/": 2, "%": 2 };

/** The operators of the expression that begins at a character, in the order in which they are evaluated. */
export function operatorsFrom(text: string, start: number): Operator[] {
  const found: Operator[] = [];
  let at = start;

  const space = () => {
    for (;;) {
      while (at < text.length && /\s/.test(text[at])) at += 1;
      if (!text.startsWith("//", at)) return;
      while (at < text.length && text[at] !== "\n") at += 1;
    }
  };
  /** Goes behind a bracket's end; texts in quotes may contain brackets. */
  const skip = () => {
    let depth = 0;
    for (; at < text.length; at += 1) {
      const c = text[at];
      if (c === '"') for (at += 1; at < text.length && text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
      if ("([{".includes(c)) depth += 1;
      if (")]}".includes(c) && --depth === 0) break;
    }
    at += 1;
  };
  const end = () => {
    // without the space that was read in search of an operator
    let last = at;
    while (last > 0 && /\s/.test(text[last - 1])) last -= 1;
    return last;
  };

  const primary = (): Operator | null => {
    if (text[at] === "(") {
      const open = at;
      at += 1;
      space();
      const inner = text[at] === ")" ? null : expression(1).top;
      space();
      if (text[at] !== ")") {
        // a tuple, or something that is not read here
        at = open;
        skip();
        return null;
      }
      at += 1;
      // the compiler counts the parentheses as a part of the expression in them
      if (inner) inner.start = open;
      return inner;
    }
    if ("[{".includes(text[at])) {
      skip();
      return null;
    }
    const word =
      /^(\d[\d_]*(\.\d[\d_]*)?([eE][+-]?\d+)?([a-z]\w*)?|"(\\.|[^"\\])*"|'(\\.|[^'\\])'|(?:\w+|::|<[\w, ]*>(?=::))+!?)/.exec(
        text.slice(at),
      );
    at += word ? word[0].length : 1;
    return null;
  };
  const postfix = (): Operator | null => {
    let top = primary();
    for (;;) {
      const before = at;
      space();
      const method = /^\.\s*\w+(::<[^>]*>)?/.exec(text.slice(at));
      if (method) at += method[0].length;
      else if (at === before && "([".includes(text[at] ?? " ")) skip();
      else if (text[at] === "?") at += 1;
      else {
        at = before;
        return top;
      }
      top = null;
    }
  };
  const unary = (): Read => {
    space();
    const begin = at;
    if (text[at] === "-") {
      at += 1;
      const operand = unary();
      const operator: Operator = { start: begin, at: begin, kind: "neg", operands: [[operand.start, end()]] };
      found.push(operator);
      return { start: begin, top: operator };
    }
    const reference = /^(&\s*(mut\s+)?|\*|!)/.exec(text.slice(at));
    if (reference) {
      at += reference[0].length;
      unary();
      return { start: begin, top: null };
    }
    return { start: begin, top: postfix() };
  };
  const expression = (least: number): Read => {
    const left = unary();
    let { top } = left;
    for (;;) {
      const before = at;
      const leftEnd = end();
      space();
      const kind = text[at] ?? "";
      const precedence = PRECEDENCE[kind];
      if (precedence === undefined || precedence < least || text[at + 1] === "=") {
        at = before;
        return { start: left.start, top };
      }
      const operator: Operator = { start: left.start, at, kind, operands: [[left.start, leftEnd]] };
      at += 1;
      const right = expression(precedence + 1);
      operator.operands.push([right.start, end()]);
      found.push(operator);
      top = operator;
    }
  };
  expression(1);
  return found;
}

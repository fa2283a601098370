// The graph of a trace, left to right, with groups that open at a click, zoom, pan and a small map.

import dagre from "@dagrejs/dagre";
import { select } from "d3-selection";
import { type D3ZoomEvent, type ZoomBehavior, type ZoomTransform, zoom, zoomIdentity } from "d3-zoom";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Step, type Trace, nameOf, told } from "./data";
import { isLeaf } from "./timeline";

/** Layers are folded at first in graphs of more steps than this, and steps of one source line in larger ones. */
const FOLD_LAYERS = 40;
const FOLD_LINES = 80;
/** An edge over more ranks than this takes no part in the layout, which would give it a place in each of them. */
const LONG_EDGE = 4;
/** Shapes from which on all groups cannot be opened together. */
const TOO_MANY = 700;
/** Texts of shapes are drawn at this size at least, at first. */
const READABLE = 0.75;

interface Shape {
  id: string;
  title: string;
  text: string;
  kind: "leaf" | "constant" | "operation" | "group";
  steps: number[];
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Layout {
  shapes: Shape[];
  edges: { from: string; to: string; path: string; long: boolean }[];
  width: number;
  height: number;
  /** the shape that shows a step */
  of: Map<number, string>;
}

/** The group that each step belongs to: a layer's path, or a source line. */
export function groupsOf(trace: Trace): Map<number, string> {
  const groups = new Map<number, string>();
  const many = trace.steps.length > FOLD_LINES;
  const lines = new Map<string, number>();
  for (const step of trace.steps) lines.set(lineOf(step), (lines.get(lineOf(step)) ?? 0) + 1);
  const leaves = new Set(
    trace.steps.filter((step) => isLeaf(step) && step.name?.includes(".")).map((step) => step.step),
  );
  for (const step of trace.steps) {
    const layer = step.name?.includes(".") ? step.name.slice(0, step.name.lastIndexOf(".")) : undefined;
    const parameter = step.inputs.map((input) => groups.get(input.step)).filter((g) => g?.startsWith("layer "));
    // a step belongs to the layer whose parameters it uses
    if (step.operation === "leaf" || step.operation === "constant") {
      if (layer) groups.set(step.step, `layer ${layer}`);
    } else if (parameter.length > 0 && step.inputs.some((input) => leaves.has(input.step))) {
      groups.set(step.step, parameter[parameter.length - 1] as string);
    }
    if (many && !groups.has(step.step) && (lines.get(lineOf(step)) ?? 0) > 1 && step.step !== trace.cost) {
      groups.set(step.step, lineOf(step));
    }
  }
  return groups;
}

const lineOf = (step: Step): string => `${step.file}:${step.line}`;

/** The name of a group without what all readers know. */
const titleOf = (group: string): string => group.replace(/^layer /, "").replace(/^.*[\\/]/, "");

function layout(trace: Trace, groups: Map<number, string>, open: Set<string>): Layout {
  const graph = new dagre.graphlib.Graph({ multigraph: false });
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 42, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  const of = new Map<number, string>();
  const shapes = new Map<string, Shape>();
  for (const step of trace.steps) {
    const group = groups.get(step.step);
    const folded = group !== undefined && !open.has(group);
    const id = folded ? `g${group}` : `s${step.step}`;
    of.set(step.step, id);
    const known = shapes.get(id);
    if (known) {
      known.steps.push(step.step);
      known.text = `${known.steps.length} steps`;
      continue;
    }
    const kind = folded
      ? "group"
      : step.operation === "leaf"
        ? "leaf"
        : step.operation === "constant"
          ? "constant"
          : "operation";
    const title = folded ? titleOf(group) : cut(nameOf(step), 22);
    const text = folded ? "1 step" : cut(summary(step), 22);
    const width = 20 + 7.3 * Math.max([...title].length, [...text].length, folded ? 8 : 0);
    shapes.set(id, { id, title, text, kind, steps: [step.step], x: 0, y: 0, width, height: 44 });
  }
  for (const shape of shapes.values()) graph.setNode(shape.id, { width: shape.width, height: shape.height });
  // the longest way from a leaf to each shape: how far to the right it will be
  const rank = new Map<string, number>();
  const long = new Map<string, [string, string]>();
  for (const step of trace.steps) {
    const to = of.get(step.step) ?? "";
    const sources = step.inputs
      .map((input) => of.get(input.step))
      .filter((from) => from !== undefined && from !== to) as string[];
    const far = Math.max(0, ...sources.map((from) => (rank.get(from) ?? 0) + 1));
    if (!rank.has(to)) rank.set(to, far);
    for (const from of sources) {
      if (graph.hasEdge(from, to)) continue;
      if ((rank.get(to) ?? 0) - (rank.get(from) ?? 0) <= LONG_EDGE || graph.nodeEdges(from)?.length === 0)
        graph.setEdge(from, to);
      else long.set(`${from}>${to}`, [from, to]);
    }
  }
  dagre.layout(graph);
  for (const shape of shapes.values()) Object.assign(shape, { x: graph.node(shape.id).x, y: graph.node(shape.id).y });
  const edges = graph.edges().map(({ v, w }) => {
    const points: { x: number; y: number }[] = graph.edge(v, w).points ?? [];
    const path = points.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    return { from: v, to: w, path, long: false };
  });
  for (const [from, to] of long.values()) {
    const [a, b] = [shapes.get(from), shapes.get(to)];
    if (!a || !b) continue;
    const [x0, x1] = [a.x + a.width / 2, b.x - b.width / 2];
    const over = Math.min(a.y, b.y) - 70; // an arc over what stands between
    edges.push({ from, to, path: `M${x0} ${a.y}C${x0 + 50} ${over} ${x1 - 50} ${over} ${x1} ${b.y}`, long: true });
  }
  const { width = 0, height = 0 } = graph.graph();
  return { shapes: [...shapes.values()], edges, width, height, of };
}

const cut = (text: string, length: number): string =>
  [...text].length > length ? `${[...text].slice(0, length - 1).join("")}…` : text;

function summary(step: Step): string {
  const one = told(step.value);
  return one.length <= 22 ? one : step.value.shape.join(" × ");
}

interface Props {
  trace: Trace;
  step: Step;
  backward: boolean;
  choose: (step: number) => void;
}

export function Graph({ trace, step, backward, choose }: Props) {
  const groups = useMemo(() => groupsOf(trace), [trace]);
  const names = useMemo(() => [...new Set(groups.values())], [groups]);
  const [open, setOpen] = useState<Set<string>>(() => new Set(trace.steps.length > FOLD_LAYERS ? [] : names));
  const drawn = useMemo(() => layout(trace, groups, open), [trace, groups, open]);
  const svg = useRef<SVGSVGElement>(null);
  const behavior = useRef<ZoomBehavior<SVGSVGElement, unknown> | null>(null);
  const [view, setView] = useState<ZoomTransform>(zoomIdentity);
  const [size, setSize] = useState<[number, number]>([600, 300]);

  useEffect(() => {
    const element = svg.current;
    if (!element) return undefined;
    const moves = zoom<SVGSVGElement, unknown>().scaleExtent([0.05, 4]);
    moves.on("zoom", (event: D3ZoomEvent<SVGSVGElement, unknown>) => setView(event.transform));
    select(element).call(moves).on("dblclick.zoom", null);
    behavior.current = moves;
    const observer = new ResizeObserver(() => setSize([element.clientWidth, element.clientHeight]));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const fit = () => {
    const scale = Math.min(size[0] / drawn.width, size[1] / drawn.height, 1.2);
    moveTo(
      zoomIdentity.translate((size[0] - drawn.width * scale) / 2, (size[1] - drawn.height * scale) / 2).scale(scale),
    );
  };
  const moveTo = (to: ZoomTransform) => {
    if (svg.current && behavior.current) behavior.current.transform(select(svg.current), to);
  };
  const here = drawn.of.get(step.step);
  // at first all of it, or as much around the step as can be read
  useEffect(() => {
    const shape = drawn.shapes.find((s) => s.id === here);
    if (!shape || Math.min(size[0] / drawn.width, size[1] / drawn.height) >= READABLE) fit();
    else
      moveTo(
        zoomIdentity.translate(size[0] / 2 - shape.x * READABLE, size[1] / 2 - shape.y * READABLE).scale(READABLE),
      );
  }, [drawn, size[0], size[1]]);
  // the shape of the step is brought into view
  useEffect(() => {
    const shape = drawn.shapes.find((s) => s.id === here);
    if (!shape) return;
    const [x, y] = view.apply([shape.x, shape.y]);
    if (x < 30 || y < 20 || x > size[0] - 30 || y > size[1] - 20) {
      moveTo(view.translate((size[0] / 2 - x) / view.k, (size[1] / 2 - y) / view.k));
    }
  }, [here]);
  const toggle = (group: string) => {
    const next = new Set(open);
    if (!next.delete(group)) next.add(group);
    setOpen(next);
  };
  const opened = names.filter((name) => open.has(name)).length;
  const canOpenAll = trace.steps.length <= TOO_MANY;
  // on the way back, terms of the gradient land from the right, and parts of it are passed on to the left
  const kind = (edge: { from: string; to: string; long: boolean }) => {
    if (edge.to === here) return "edge lit";
    return backward && edge.from === here ? "edge landed" : edge.long ? "edge long" : "edge";
  };
  const act = (shape: Shape) => (shape.kind === "group" ? toggle(shape.id.slice(1)) : choose(shape.steps[0]));
  return (
    <section class="graph" aria-label="The graph">
      <header>
        <h2>Graph</h2>
        <span class="tools">
          {names.length > 0 && names.length <= 24 && (
            <details class="folds">
              <summary>Groups</summary>
              {names.map((name) => (
                <label key={name}>
                  <input type="checkbox" checked={open.has(name)} onChange={() => toggle(name)} /> {titleOf(name)}
                </label>
              ))}
            </details>
          )}
          {opened > 0 && <button onClick={() => setOpen(new Set())}>Fold all</button>}
          {opened < names.length && canOpenAll && <button onClick={() => setOpen(new Set(names))}>Open all</button>}
          <button
            onClick={() => behavior.current && svg.current && behavior.current.scaleBy(select(svg.current), 1.4)}
            aria-label="Larger"
          >
            +
          </button>
          <button
            onClick={() => behavior.current && svg.current && behavior.current.scaleBy(select(svg.current), 1 / 1.4)}
            aria-label="Smaller"
          >
            −
          </button>
          <button onClick={fit}>Fit</button>
        </span>
      </header>
      <svg
        ref={svg}
        class={backward ? "backward" : "forward"}
        role="group"
        aria-label={`A graph of ${drawn.shapes.length} parts`}
      >
        <g transform={view.toString()}>
          {drawn.edges.map((edge) => (
            <path key={`${edge.from}>${edge.to}`} class={kind(edge)} d={edge.path} />
          ))}
          {drawn.shapes.map((shape) => (
            <g
              key={shape.id}
              class={`node ${shape.kind}${shape.id === here ? " here" : ""}`}
              data-id={shape.id}
              transform={`translate(${shape.x - shape.width / 2} ${shape.y - shape.height / 2})`}
              role="button"
              tabIndex={0}
              aria-label={
                shape.kind === "group"
                  ? `Open the group ${shape.title} of ${shape.text}`
                  : `${shape.title}, ${shape.text}`
              }
              onClick={() => act(shape)}
              onKeyDown={(event) => {
                if (event.key !== "Enter" && event.key !== " ") return;
                event.preventDefault();
                event.stopPropagation();
                act(shape);
              }}
            >
              <rect width={shape.width} height={shape.height} rx={shape.kind === "operation" ? 22 : 4} />
              <text x={shape.width / 2} y={18}>
                {shape.title}
              </text>
              <text x={shape.width / 2} y={34} class="value">
                {shape.text}
              </text>
            </g>
          ))}
        </g>
      </svg>
      {drawn.shapes.length > 12 && <SmallMap drawn={drawn} here={here} view={view} size={size} />}
    </section>
  );
}

function SmallMap({
  drawn,
  here,
  view,
  size,
}: {
  drawn: Layout;
  here?: string;
  view: ZoomTransform;
  size: [number, number];
}) {
  const [[left, top], [right, bottom]] = [view.invert([0, 0]), view.invert(size)];
  return (
    <svg
      class="map"
      viewBox={`0 0 ${drawn.width} ${drawn.height}`}
      aria-hidden="true"
      preserveAspectRatio="xMidYMid meet"
    >
      {drawn.shapes.map((s) => (
        <rect
          key={s.id}
          class={s.id === here ? "here" : ""}
          x={s.x - s.width / 2}
          y={s.y - s.height / 2}
          width={s.width}
          height={s.height}
        />
      ))}
      <rect class="window" x={left} y={top} width={right - left} height={bottom - top} />
    </svg>
  );
}

import type { Traffic } from "../connection/store.ts";
import type { PeerView } from "../connection/views.ts";
import { text } from "../text/en.ts";
import { bytes } from "../text/format.ts";

const WIDTH = 640;
const HEIGHT = 470;
/** Above the middle, as names stand below. */
const CENTRE = { x: WIDTH / 2, y: HEIGHT / 2 - 16 };

/** With nobody around, the middle is enough. */
const ALONE = `0 ${CENTRE.y - 70} ${WIDTH} 170`;
/** Peers on one ring at most; more stand on two, drawn smaller. */
const ONE_RING = 9;
/** Peers drawn at most; the table has them all. */
const MOST = 24;
/** Letters of a name that have room. */
const NAME = { few: 16, many: 9 };

interface Place {
  readonly x: number;
  readonly y: number;
}

/** Peers stand on an ellipse in the order of their names, so that nobody jumps when another comes or goes away. */
function placeOf(index: number, count: number): Place {
  const isCrowd = count > ONE_RING;
  const inner = isCrowd ? Math.floor(count / 3) : 0;
  const isInner = isCrowd && index % 3 === 1 && Math.floor(index / 3) < inner;
  const rank = isInner ? Math.floor(index / 3) : index - Math.min(inner, Math.floor((index + 1) / 3));
  const onRing = isInner ? inner : count - inner;
  const angle = ((rank + (isInner ? 0.5 : 0)) / Math.max(1, onRing)) * 2 * Math.PI - Math.PI / 2;
  const turned = angle + (count === 2 ? Math.PI / 2 : 0);
  const reach = isInner ? 0.22 : isCrowd ? 0.42 : 0.37;
  return {
    x: CENTRE.x + Math.cos(turned) * WIDTH * reach,
    y: CENTRE.y + Math.sin(turned) * HEIGHT * reach,
  };
}

function shortName(name: string, letters: number): string {
  return name.length <= letters ? name : `${name.slice(0, letters - 1)}…`;
}

/** Those that matter most when not all have room: connected friends first. */
function weight({ connected, standing }: PeerView): number {
  return (connected ? 2 : 0) + (standing === "friend" ? 1 : 0);
}

/** Thickness of an edge: a line that just lives, up to one that carries much. */
function thickness(bytesPerSecond: number): number {
  return bytesPerSecond <= 0 ? 1.5 : Math.min(9, 2 + Math.log10(1 + bytesPerSecond / 1000) * 1.8);
}

/** This node in the middle, its peers around it, and what flows between. */
export function MeshGraph(props: {
  readonly self: string;
  readonly peers: readonly PeerView[];
  readonly traffic: ReadonlyMap<string, Traffic>;
}) {
  const peers = [...props.peers]
    .sort((a, b) => weight(b) - weight(a))
    .slice(0, MOST)
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.peer < b.peer ? -1 : 1));
  const isCrowd = peers.length > ONE_RING;
  const hidden = props.peers.length - peers.length;
  const label = `${props.self}: ${peers.map(({ name, connected }) => `${name} ${connected ? text.connected : text.away}`).join(", ")}`;
  return (
    <svg
      className={isCrowd ? "mesh crowd" : "mesh"}
      viewBox={peers.length === 0 ? ALONE : `0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={label}
    >
      {peers.map((peer, i) => (
        <Edge
          key={peer.peer}
          peer={peer}
          to={placeOf(i, peers.length)}
          traffic={props.traffic.get(peer.peer)}
        />
      ))}
      {peers.map((peer, i) => (
        <Node
          key={peer.peer}
          at={placeOf(i, peers.length)}
          name={shortName(peer.name, isCrowd ? NAME.many : NAME.few)}
          kind={peer.standing === "banned" ? "banned" : peer.connected ? "near" : "away"}
          note={
            isCrowd || peer.latencyMs === undefined
              ? ""
              : `${peer.latencyMs.toFixed(peer.latencyMs < 10 ? 1 : 0)} ms`
          }
        />
      ))}
      <Node at={CENTRE} name={shortName(props.self, NAME.few)} kind="self" note={text.you} />
      {hidden > 0 && (
        <text className="more" x={WIDTH - 8} y={HEIGHT - 10}>
          {text.more(hidden)}
        </text>
      )}
    </svg>
  );
}

function Edge({
  peer,
  to,
  traffic,
}: {
  readonly peer: PeerView;
  readonly to: Place;
  readonly traffic: Traffic | undefined;
}) {
  if (peer.standing === "banned" || !peer.connected) {
    return <line className="edge away" x1={CENTRE.x} y1={CENTRE.y} x2={to.x} y2={to.y} />;
  }
  const { sent = 0, received = 0 } = traffic ?? {};
  // Two lines side by side: out and in.
  const length = Math.hypot(to.x - CENTRE.x, to.y - CENTRE.y);
  const side = { x: (-(to.y - CENTRE.y) / length) * 4, y: ((to.x - CENTRE.x) / length) * 4 };
  const line = { x1: CENTRE.x, y1: CENTRE.y, x2: to.x, y2: to.y };
  return (
    <g>
      <title>{`${peer.name}: ↑ ${bytes(sent)}/s, ↓ ${bytes(received)}/s`}</title>
      <line className="edge" {...line} />
      {sent > 0 && (
        <line
          className="flow out"
          x1={line.x1 + side.x}
          y1={line.y1 + side.y}
          x2={line.x2 + side.x}
          y2={line.y2 + side.y}
          strokeWidth={thickness(sent)}
        />
      )}
      {received > 0 && (
        <line
          className="flow in"
          x1={line.x1 - side.x}
          y1={line.y1 - side.y}
          x2={line.x2 - side.x}
          y2={line.y2 - side.y}
          strokeWidth={thickness(received)}
        />
      )}
    </g>
  );
}

const GLYPHS = { self: "", near: "", away: "·", banned: "✕" };
/** The house of our sign. */
const HOUSE = "M-13 0 0-11 13 0V12a1.500 1.500 0 0 1-1.500 1.500H-11.500A1.500 1.500 0 0 1-13 12ZM0 13.500V6";

function Node(props: {
  readonly at: Place;
  readonly name: string;
  readonly kind: keyof typeof GLYPHS;
  readonly note: string;
}) {
  const { at, name, kind, note } = props;
  return (
    <g className={`node ${kind}`} transform={`translate(${at.x} ${at.y})`}>
      <circle r={kind === "self" ? 30 : 24} />
      {kind === "self" ? (
        <path className="house" d={HOUSE} />
      ) : (
        <text className="initial" dy="0.36em">
          {GLYPHS[kind] === "" ? name.slice(0, 1).toUpperCase() : GLYPHS[kind]}
        </text>
      )}
      <text className="label" y={kind === "self" ? 48 : 42}>
        {name}
      </text>
      <text className="note" y={kind === "self" ? 63 : 57}>
        {kind === "away" ? text.away : kind === "banned" ? text.banned : note}
      </text>
    </g>
  );
}

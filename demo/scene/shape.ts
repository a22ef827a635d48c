/** Shapes as lists of triangles, put together piece by piece. */

export type Point = readonly [x: number, y: number, z: number];

/** Triangles with what they carry at their corners. Without normals a shape is faceted. */
export class Shape {
  readonly positions: number[] = [];
  readonly normals: number[] = [];
  readonly coordinates: number[] = [];
  readonly colours: number[] = [];
  readonly indices: number[] = [];

  /** Adds a corner; returns its number. */
  corner(
    place: Point,
    coordinate: readonly [number, number] = [0, 0],
    normal?: Point,
    colour?: Point,
  ): number {
    this.positions.push(...place);
    this.coordinates.push(...coordinate);
    if (normal !== undefined) this.normals.push(...normal);
    if (colour !== undefined) this.colours.push(...colour);
    return this.positions.length / 3 - 1;
  }

  triangle(a: number, b: number, c: number): void {
    this.indices.push(a, b, c);
  }

  /** Two triangles; corners counter-clockwise as seen from outside. */
  quad(a: number, b: number, c: number, d: number): void {
    this.indices.push(a, b, c, a, c, d);
  }

  /** A flat quadrangle, its texture `width` × `height` times across. */
  panel(a: Point, b: Point, c: Point, d: Point, width = 1, height = 1): void {
    const corners = [
      this.corner(a, [0, height]),
      this.corner(b, [width, height]),
      this.corner(c, [width, 0]),
      this.corner(d, [0, 0]),
    ] as const;
    this.quad(...corners);
  }

  /** A box between two corners, the texture once a unit of length. */
  box(low: Point, high: Point): void {
    const [x0, y0, z0] = low;
    const [x1, y1, z1] = high;
    const [w, h, d] = [x1 - x0, y1 - y0, z1 - z0];
    this.panel([x0, y0, z1], [x1, y0, z1], [x1, y1, z1], [x0, y1, z1], w, h);
    this.panel([x1, y0, z0], [x0, y0, z0], [x0, y1, z0], [x1, y1, z0], w, h);
    this.panel([x1, y0, z1], [x1, y0, z0], [x1, y1, z0], [x1, y1, z1], d, h);
    this.panel([x0, y0, z0], [x0, y0, z1], [x0, y1, z1], [x0, y1, z0], d, h);
    this.panel([x0, y1, z1], [x1, y1, z1], [x1, y1, z0], [x0, y1, z0], w, d);
    this.panel([x0, y0, z0], [x1, y0, z0], [x1, y0, z1], [x0, y0, z1], w, d);
  }
}

/**
 * A profile turned about the upright axis, from top to bottom. Texture: `around` times about, once along.
 * @param profile radius and height of each ring.
 */
export function turned(profile: readonly (readonly [number, number])[], sides: number, around = 1): Shape {
  const shape = new Shape();
  const normals = profileNormals(profile);
  for (const [row, [radius, height]] of profile.entries()) {
    const [outward, upward] = normals[row]!;
    for (let i = 0; i <= sides; i++) {
      const angle = (2 * Math.PI * i) / sides;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      const coordinate = [(around * i) / sides, row / (profile.length - 1)] as const;
      shape.corner([radius * c, height, -radius * s], coordinate, [outward * c, upward, -outward * s]);
    }
  }
  for (let row = 0; row + 1 < profile.length; row++) {
    for (let i = 0; i < sides; i++) {
      const a = row * (sides + 1) + i;
      shape.quad(a, a + sides + 1, a + sides + 2, a + 1);
    }
  }
  return shape;
}

function profileNormals(profile: readonly (readonly [number, number])[]): [number, number][] {
  return profile.map((_, i) => {
    const [r0, h0] = profile[Math.max(0, i - 1)]!;
    const [r1, h1] = profile[Math.min(profile.length - 1, i + 1)]!;
    const length = Math.hypot(r1 - r0, h1 - h0) || 1;
    return [(h0 - h1) / length, (r1 - r0) / length];
  });
}

/** A ball of radius 1. */
export function ball(rings: number): Shape {
  const profile = Array.from({ length: rings + 1 }, (_, i) => {
    const angle = (Math.PI * i) / rings;
    return [Math.sin(angle), Math.cos(angle)] as const;
  });
  const shape = turned(profile, 2 * rings);
  shape.normals.splice(0, shape.normals.length, ...shape.positions);
  return shape;
}

/** A cone standing on `bottom`, faceted, its rim pushed about by `wobble`. */
export function cone(
  shape: Shape,
  radius: number,
  bottom: number,
  top: number,
  sides: number,
  wobble: (i: number) => number,
): void {
  const rim = Array.from({ length: sides }, (_, i) => {
    const angle = (2 * Math.PI * (i + 0.3 * wobble(i))) / sides;
    const reach = radius * (1 + 0.16 * wobble(i + 7));
    return [
      reach * Math.cos(angle),
      bottom - 0.06 * radius * wobble(i + 3),
      -reach * Math.sin(angle),
    ] as const;
  });
  for (let i = 0; i < sides; i++) {
    const here = rim[i]!;
    const next = rim[(i + 1) % sides]!;
    shape.triangle(shape.corner(here), shape.corner(next), shape.corner([0, top, 0]));
    shape.triangle(
      shape.corner(next),
      shape.corner(here),
      shape.corner([0, bottom + 0.12 * (top - bottom), 0]),
    );
  }
}

/** An icosahedron's faces split `splits` times and pushed onto a ball, then moved by `push`; faceted. */
export function pebble(splits: number, push: (place: Point) => Point): Shape {
  const t = (1 + Math.sqrt(5)) / 2;
  const corners: Point[] = [
    ...([
      [-1, t, 0],
      [1, t, 0],
      [-1, -t, 0],
      [1, -t, 0],
    ] as Point[]),
    ...([
      [0, -1, t],
      [0, 1, t],
      [0, -1, -t],
      [0, 1, -t],
    ] as Point[]),
    ...([
      [t, 0, -1],
      [t, 0, 1],
      [-t, 0, -1],
      [-t, 0, 1],
    ] as Point[]),
  ];
  const faces = [
    ...[0, 11, 5, 0, 5, 1, 0, 1, 7, 0, 7, 10, 0, 10, 11, 1, 5, 9, 5, 11, 4, 11, 10, 2, 10, 7, 6, 7, 1, 8],
    ...[3, 9, 4, 3, 4, 2, 3, 2, 6, 3, 6, 8, 3, 8, 9, 4, 9, 5, 2, 4, 11, 6, 2, 10, 8, 6, 7, 9, 8, 1],
  ];
  const shape = new Shape();
  const place = (point: Point): Point => {
    const length = Math.hypot(...point);
    return push([point[0] / length, point[1] / length, point[2] / length]);
  };
  const middle = (a: Point, b: Point): Point => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2];
  const split = (a: Point, b: Point, c: Point, left: number): void => {
    if (left === 0) {
      shape.triangle(shape.corner(place(a)), shape.corner(place(b)), shape.corner(place(c)));
      return;
    }
    const [ab, bc, ca] = [middle(a, b), middle(b, c), middle(c, a)];
    split(a, ab, ca, left - 1);
    split(ab, b, bc, left - 1);
    split(ca, bc, c, left - 1);
    split(ab, bc, ca, left - 1);
  };
  for (let i = 0; i < faces.length; i += 3) {
    split(corners[faces[i]!]!, corners[faces[i + 1]!]!, corners[faces[i + 2]!]!, splits);
  }
  return shape;
}

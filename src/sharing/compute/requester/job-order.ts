/** Where a job stands in the list, which has the newest first. */
export interface JobPlace {
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly id: string;
}

/** All jobs that have a folder, by age: a name and a number of each are in memory, whatever it holds. */
export class JobOrder {
  /** The oldest first. */
  readonly #ids: string[] = [];
  readonly #created = new Map<string, number>();

  constructor(places: Iterable<JobPlace> = []) {
    for (const { id, created } of places) this.#created.set(id, created);
    this.#ids = [...this.#created.keys()].sort((a, b) => this.#compare(a, this.#placeOf(b)));
  }

  get size(): number {
    return this.#ids.length;
  }

  /** When a job came; undefined where there is none such. */
  createdOf(id: string): number | undefined {
    return this.#created.get(id);
  }

  has(id: string): boolean {
    return this.#created.has(id);
  }

  add({ id, created }: JobPlace): void {
    if (this.has(id)) return;
    this.#ids.splice(this.#countBefore({ id, created }), 0, id);
    this.#created.set(id, created);
  }

  remove(id: string): void {
    if (!this.has(id)) return;
    this.#ids.splice(this.#countBefore(this.#placeOf(id)), 1);
    this.#created.delete(id);
  }

  /** Ids, the newest first: the `limit` newest, or those next to a place, which need no longer be there. */
  page(limit: number, after?: JobPlace): string[] {
    const end = after === undefined ? this.#ids.length : this.#countBefore(after);
    return this.#ids.slice(Math.max(0, end - limit), end).reverse();
  }

  /** The job of this id, or the only one whose id begins so, with four digits at least. */
  find(start: string): string | undefined {
    if (this.has(start) || start.length < 4) return this.has(start) ? start : undefined;
    const found = this.#ids.filter((id) => id.startsWith(start));
    return found.length === 1 ? found[0] : undefined;
  }

  #placeOf(id: string): JobPlace {
    return { id, created: this.#created.get(id)! };
  }

  /** Below zero where the job is older than the place. */
  #compare(id: string, place: JobPlace): number {
    const difference = this.#created.get(id)! - place.created;
    if (difference !== 0) return difference;
    return id < place.id ? -1 : Number(id > place.id);
  }

  #countBefore(place: JobPlace): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#ids[middle]!, place) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

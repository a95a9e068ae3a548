/**
 * Lists of picture files that take little memory: what files of one folder have in common is kept once, numbers lie in
 * arrays, and an entry is put together when it is asked for. (An object for each of 60,000 pictures takes as much memory as
 * half of their pixels.)
 */

export interface ListedPicture {
  /** Below the data set's folder. */
  readonly name: string;
  readonly label: number;
  /** Bytes, and milliseconds of the last changes of contents and of the entry; zeros for a link to nothing. */
  readonly size: number;
  readonly times: readonly [number, number];
}

/** Pictures in an order. */
export interface PictureList {
  readonly length: number;
  at(index: number): ListedPicture;
  /** By place. */
  labels(): Uint8Array;
}

/** Files of one folder that follow each other in a list. */
interface Stretch {
  /** Place of the first. */
  readonly start: number;
  /** Below the data set's folder, with a separator at its end. */
  readonly folder: string;
  readonly label: number;
}

/** Of each picture: its size, and its times. */
const NUMBERS = 3;
const FIRST_ROOM = 1024;
/** Bytes of UTF-8 for one unit of a string, at most. */
const WIDEST = 3;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A list that is added to. Nothing of an entry lies on the heap, which would grow by the garbage of a growing list, too. */
export class GrowingPictureList implements PictureList {
  readonly #stretches: Stretch[] = [];
  /** Names of all files, one after the other. */
  #names = new Uint8Array(16 * FIRST_ROOM);
  /** Where each name ends. */
  #ends = new Uint32Array(FIRST_ROOM);
  #numbers = new Float64Array(NUMBERS * FIRST_ROOM);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @param folder below the data set's folder, with a separator at its end */
  add(folder: string, name: string, label: number, size: number, times: readonly [number, number]): void {
    const last = this.#stretches.at(-1);
    if (last?.folder !== folder || last.label !== label) this.#stretches.push({ start: this.#length, folder, label });
    const index = this.#length++;
    const start = this.#endOf(index - 1);
    if (index >= this.#ends.length) this.#ends = grown(this.#ends, new Uint32Array(2 * this.#ends.length));
    const room = start + WIDEST * name.length;
    if (room > this.#names.length) this.#names = grown(this.#names, new Uint8Array(2 * room));
    const first = NUMBERS * index;
    if (first >= this.#numbers.length) {
      this.#numbers = grown(this.#numbers, new Float64Array(2 * this.#numbers.length));
    }
    this.#ends[index] = start + encoder.encodeInto(name, this.#names.subarray(start)).written;
    this.#numbers[first] = size;
    this.#numbers[first + 1] = times[0];
    this.#numbers[first + 2] = times[1];
  }

  at(index: number): ListedPicture {
    const { folder, label } = this.#stretchOf(index);
    const name = folder + decoder.decode(this.#names.subarray(this.#endOf(index - 1), this.#endOf(index)));
    const [size, ...times] = this.#numbers.subarray(NUMBERS * index, NUMBERS * (index + 1));
    return { name, label, size, times: times as [number, number] };
  }

  labels(): Uint8Array {
    const labels = new Uint8Array(this.#length);
    for (const { start, label } of this.#stretches) labels.fill(label, start);
    return labels;
  }

  /** Hands out names, labels, sizes and times of all entries, for a checksum. */
  describe(add: (part: string | Uint8Array) => void): void {
    add(`${JSON.stringify([this.#length, this.#stretches])}\n`);
    const arrays = [this.#names.subarray(0, this.#endOf(this.#length - 1)), this.#ends.subarray(0, this.#length)];
    for (const { buffer, byteLength } of [...arrays, this.#numbers.subarray(0, NUMBERS * this.#length)]) {
      add(new Uint8Array(buffer, 0, byteLength));
    }
  }

  #endOf(index: number): number {
    return index < 0 ? 0 : this.#ends[index];
  }

  /** The last one that does not begin after the place, by halving. */
  #stretchOf(index: number): Stretch {
    let [low, high] = [0, this.#stretches.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#stretches[middle].start <= index) low = middle;
      else high = middle - 1;
    }
    return this.#stretches[low];
  }
}

/** Some of a list, in the order of the places. */
export function pictureSelection(list: PictureList, places: Uint32Array): PictureList {
  return {
    length: places.length,
    at: index => list.at(places[index]),
    labels() {
      const all = list.labels();
      return Uint8Array.from(places, place => all[place]);
    },
  };
}

/** Two lists, one after the other. */
export function joinedPictures(first: PictureList, second: PictureList): PictureList {
  return {
    length: first.length + second.length,
    at: index => (index < first.length ? first.at(index) : second.at(index - first.length)),
    labels() {
      const labels = new Uint8Array(first.length + second.length);
      labels.set(first.labels());
      labels.set(second.labels(), first.length);
      return labels;
    },
  };
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/**
 * The bytes of the WebAssembly binary format: LEB128 numbers, little-endian floats, length-prefixed sections
 * (webassembly.github.io/spec/core/binary).
 */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  length = 0;

  #reserve(count: number): void {
    if (this.length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + count));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }

  byte(...values: number[]): void {
    this.#reserve(values.length);
    for (const value of values) this.#bytes[this.length++] = value;
  }

  unsigned(value: number): void {
    do {
      const low = value & 0x7f;
      value >>>= 7;
      this.byte(value === 0 ? low : low | 0x80);
    } while (value !== 0);
  }

  signed(value: number): void {
    value |= 0;
    for (;;) {
      const low = value & 0x7f;
      value >>= 7;
      const done = (value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0);
      this.byte(done ? low : low | 0x80);
      if (done) return;
    }
  }

  float32(value: number): void {
    this.byte(...new Uint8Array(Float32Array.of(value).buffer));
  }

  text(value: string): void {
    const encoded = new TextEncoder().encode(value);
    this.unsigned(encoded.length);
    this.append(encoded);
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A section or function body: its length in bytes, then what `write` puts out. */
  prefixed(write: (inner: ByteWriter) => void): void {
    const inner = new ByteWriter();
    write(inner);
    this.unsigned(inner.length);
    this.append(inner.finish());
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }
}

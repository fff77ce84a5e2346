/** The wire format of Protocol Buffers ("Encoding" in its documentation), as far as ONNX files need it. */

const BYTES_OF_KIND = { 1: 8, 5: 4 }; // wire types of fixed length
const NUMBER = 0;
const WITH_LENGTH = 2;

/** Yield field number, content and whole bytes of each field of a message; throws RangeError. */
export function* fieldsOf(bytes) {
  let place = 0;
  function varint() {
    let value = 0;
    for (let worth = 1; place < bytes.length; worth *= 128) {
      const byte = bytes[place++];
      value += (byte % 128) * worth;
      if (byte < 128) return value;
    }
    throw new RangeError("a number is cut off");
  }
  while (place < bytes.length) {
    const start = place;
    const tag = varint();
    const kind = tag % 8;
    if (kind === NUMBER) varint();
    const length = kind === WITH_LENGTH ? varint() : kind === NUMBER ? 0 : BYTES_OF_KIND[kind];
    const end = place + length;
    if (!(end <= bytes.length)) throw new RangeError("a field is cut off, or of no kind");
    yield [Math.floor(tag / 8), bytes.subarray(place, end), bytes.subarray(start, end)];
    place = end;
  }
}

/** Return a field, as bytes, whose content are the given bytes. */
export function fieldWith(number, content) {
  return joined([varintOf(number * 8 + WITH_LENGTH), varintOf(content.length), content]);
}

/** Return pieces of bytes one behind the other. */
export function joined(pieces) {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let place = 0;
  for (const piece of pieces) {
    bytes.set(piece, place);
    place += piece.length;
  }
  return bytes;
}

function varintOf(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

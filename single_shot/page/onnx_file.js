/** What an ONNX file says of itself, which ONNX Runtime for the web does not tell, and its defaults. */

import { fieldsOf, fieldWith, joined } from "./protobuf.js";
import { Refusal } from "./refusal.js";

// Field numbers of onnx.proto.
const [GRAPH, METADATA_PROPS] = [7, 14]; // of ModelProto
const INITIALIZER = 5; // of GraphProto
const TENSOR_NAME = 8; // of TensorProto
const [KEY, VALUE] = [1, 2]; // of a pair of METADATA_PROPS
export const EXPORT = "export the checkpoint again with single-shot export";

/**
 * Return what a file says of itself, by name.
 *
 * content: Uint8Array; name: for messages; format: the one that this page understands.
 * Throws Refusal for a file that no `single-shot export` of this version has written, or that has
 * changed since.
 */
export async function factsOf(content, name, format) {
  let facts;
  try {
    facts = metadataOf(content);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Refusal(`${name}: no ONNX file, or cut off; ${EXPORT}.`);
  }
  if (facts.format !== format) {
    const said = JSON.stringify(facts.format) ?? "nothing";
    throw new Refusal(
      `${name}: its metadata say ${said} where "${format}" is needed: from another program, ` +
        `or another version of this one; ${EXPORT}.`,
    );
  }
  if ((await isIntact(content, facts)) === false) {
    throw new Refusal(`${name}: has changed since it was exported; ${EXPORT}.`);
  }
  const names = facts.class_names;
  const isList = Array.isArray(names) && names.length > 0;
  if (!isList || !names.every((each) => typeof each === "string")) {
    throw new Refusal(`${name}: class_names in its metadata is no list of names; ${EXPORT}.`);
  }
  return facts;
}

/**
 * Return whether the last bytes of a file, its seal, say the SHA-256 of all before them.
 *
 * null where there is no seal, as in files of earlier versions, or nothing to compute it with: a
 * browser lends that to pages over HTTPS, and from the machine itself, alone.
 */
async function isIntact(content, facts) {
  if (!("sha256" in facts) || !globalThis.crypto?.subtle) return null;
  let seal;
  for (const [, , whole] of fieldsOf(content)) seal = whole;
  const digest = await crypto.subtle.digest("SHA-256", content.subarray(0, -seal.length));
  const hex = (byte) => byte.toString(16).padStart(2, "0");
  return facts.sha256 === Array.from(new Uint8Array(digest), hex).join("");
}

/** Return the metadata of a file, whose values are JSON where we wrote them; else null. */
function metadataOf(content) {
  const facts = {};
  for (const [field, pair] of fieldsOf(content)) {
    if (field !== METADATA_PROPS) continue;
    const { [KEY]: key, [VALUE]: value } = Object.fromEntries(fieldsOf(pair));
    try {
      facts[textOf(key)] = JSON.parse(textOf(value));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      facts[textOf(key)] = null;
    }
  }
  return facts;
}

/**
 * Return a file whose inputs of these names may no longer be left out.
 *
 * Inputs with a default cannot be given at all in ONNX Runtime for the web, which does not count
 * them as inputs. Without the default, an initializer of the graph, they are like all others.
 */
export function withoutDefaults(content, names) {
  const isDefault = (tensor) => {
    for (const [field, text] of fieldsOf(tensor)) {
      if (field === TENSOR_NAME) return names.includes(textOf(text));
    }
    return false;
  };
  const stays = ([field, tensor]) => field !== INITIALIZER || !isDefault(tensor);
  const kept = (graph) => joined([...fieldsOf(graph)].filter(stays).map(([, , whole]) => whole));
  const change = ([field, graph, whole]) => (field === GRAPH ? fieldWith(GRAPH, kept(graph)) : whole);
  return joined([...fieldsOf(content)].map(change));
}

function textOf(bytes) {
  return new TextDecoder().decode(bytes);
}

// Runs the steps that `program.py` wrote, with TensorFlow.js and its WebAssembly back end. It knows
// no detector: a step is one operation of PyTorch's graph. Maps lie as [1, height, width, channel].

// ---- weights ------------------------------------------------------------------------------

export function bytesOf(base64) {
  const letters = atob(base64), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

// A float16 is a sign, five bits of exponent and ten of fraction.
export function fromHalf(bits) {
  const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (exponent === 0) return (sign * fraction) / 2 ** 24;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

// There are only 65,536 of them: each is worked out once.
let known = null;
function halves(bits) {
  known ??= Float32Array.from({ length: 65536 }, (_, i) => fromHalf(i));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = known[bits[i]];
  return values;
}

// table: name -> [type, offset in bytes, shape]; float16 for filters, float32 for the rest.
export function unpack(bytes, table) {
  const weights = {};
  for (const [name, [type, offset, shape]] of Object.entries(table)) {
    const count = shape.reduce((a, b) => a * b, 1), half = type === "f16";
    const own = bytes.slice(offset, offset + count * (half ? 2 : 4)).buffer;
    const values = half ? halves(new Uint16Array(own)) : new Float32Array(own);
    weights[name] = { shape, values };
  }
  return weights;
}

// BatchNorm as one factor and one addend for each channel.
export function normOf(norm, weights) {
  const [gain, shift, mean, spread] = ["weight", "bias", "mean", "var"]
    .map((key) => weights[norm[key]].values);
  const factor = spread.map((value, c) => gain[c] / Math.sqrt(value + norm.eps));
  return { factor, addend: shift.map((value, c) => value - mean[c] * factor[c]) };
}

// Filter and bias of a convolution, with the BatchNorm behind it taken in. The channel of the
// result is the filter's last axis, or its last but one if the convolution is transposed.
export function filterOf(step, weights) {
  const { shape, values } = weights[step.weight];
  const transposed = step.op === "conv_transpose";
  const channels = transposed ? shape[2] : step.op === "depthwise" ? shape[2] * shape[3] : shape[3];
  const inner = transposed ? shape[3] : 1;
  let filter = values;
  let bias = step.bias ? weights[step.bias].values : new Float32Array(channels);
  if (step.norm) {
    const { factor, addend } = normOf(step.norm, weights);
    filter = values.map((value, i) => value * factor[Math.floor(i / inner) % channels]);
    bias = bias.map((value, c) => value * factor[c] + addend[c]);
  }
  return { filter, shape, bias };
}

// ---- operations -----------------------------------------------------------------------------

const ACTIVATIONS = { relu: "relu", relu6: "relu6", undefined: "linear" };
const around = (pads) => [[0, 0], ...pads, [0, 0]];

// Each returns a function from the step's tensors to its result; tensors made here stay.
const OPERATIONS = {
  conv: (tf, step, weights) => convolution(tf, step, weights, "FusedConv2D"),
  depthwise: (tf, step, weights) => convolution(tf, step, weights, "FusedDepthwiseConv2D"),
  conv_transpose(tf, step, weights) {
    const { filter, shape, bias } = filterOf(step, weights);
    const x2 = tf.tensor4d(filter, shape), b = tf.tensor1d(bias);
    const act = step.act ? (y) => tf[step.act](y) : (y) => y;
    return ([x]) =>
      act(tf.add(tf.conv2dTranspose(x, x2, step.shape, step.stride, step.pad, "floor"), b));
  },
  norm(tf, step, weights) {
    const { factor, addend } = normOf(step.norm, weights);
    const gain = tf.tensor1d(factor), shift = tf.tensor1d(addend);
    return ([x]) => tf.add(tf.mul(x, gain), shift);
  },
  weight(tf, step, weights) {
    const { shape, values } = weights[step.tensor], kept = tf.tensor(values, shape);
    return () => tf.clone(kept);
  },
  relu: (tf) => ([x]) => tf.relu(x),
  relu6: (tf) => ([x]) => tf.relu6(x),
  sigmoid: (tf) => ([x]) => tf.sigmoid(x),
  zeros_like: (tf) => ([x]) => tf.zerosLike(x),
  add: (tf, step) => ([x, y]) => tf.add(x, y ?? step.number),
  sub: (tf, step) => ([x, y]) => tf.sub(x, y ?? step.number),
  mul: (tf, step) => ([x, y]) => tf.mul(x, y ?? step.number),
  div: (tf, step) => ([x, y]) => tf.div(x, y ?? step.number),
  cat: (tf, step) => (xs) => tf.concat(xs, step.axis),
  transpose: (tf, step) => ([x]) => tf.transpose(x, step.axes),
  reshape: (tf, step) => ([x]) => tf.reshape(x, step.shape),
  slice: (tf, step) => ([x]) => tf.slice(x, step.begin, step.size),
  pad: (tf, step) => ([x]) => tf.pad(x, step.pads),
  max_pool2d: (tf, step) => ([x]) => tf.maxPool(x, step.kernel, step.stride, step.pad,
    step.pad ? "floor" : undefined),
  avg_pool2d: (tf, step) => ([x]) => tf.avgPool(x, step.kernel, step.stride, 0, "floor"),
  global_pool: (tf) => ([x]) => tf.mean(x, [1, 2], true),
  upsample_nearest2d: (tf, step) => ([x]) => tf.image.resizeNearestNeighbor(x, step.size),
  upsample_bilinear2d: (tf, step) => ([x]) => tf.image.resizeBilinear(x, step.size, false, true),
  length: (tf) => ([x]) => tf.sqrt(tf.sum(tf.mul(x, x), 3, true)),
  clamp_min: (tf, step) => ([x]) => tf.maximum(x, step.number),
};

// The kernel itself: the library's own functions around it prepare for training, too.
function convolution(tf, step, weights, kernel) {
  const { filter, shape, bias } = filterOf(step, weights);
  const kept = tf.tensor4d(filter, shape), addend = tf.tensor1d(bias);
  const settings = {
    strides: step.stride, dilations: step.dilation, pad: around(step.pads), dataFormat: "NHWC",
    activation: ACTIVATIONS[step.act],
  };
  return ([x]) => tf.engine().runKernel(kernel, { x, filter: kept, bias: addend }, settings);
}

// ---- the network ----------------------------------------------------------------------------

// engine: the base64 of the gzipped WebAssembly file. It is handed over as an address of the page
// itself, so nothing is asked for.
export async function startEngine(tf, engine) {
  const stream = new Blob([bytesOf(engine)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const wasm = await new Response(stream).arrayBuffer();
  const address = URL.createObjectURL(new Blob([wasm], { type: "application/wasm" }));
  const names = ["", "-simd", "-threaded-simd"].map((kind) => `tfjs-backend-wasm${kind}.wasm`);
  tf.wasm.setWasmPaths(Object.fromEntries(names.map((name) => [name, address])));
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  if (!(await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT"))) {
    throw new Error("This browser has no WebAssembly SIMD; one from 2023 or later has it.");
  }
  if (!(await tf.setBackend("wasm"))) throw new Error("WebAssembly could not be started here.");
  await tf.ready();
}

// Returns run(pixels): Float32Array of 3 S S normalised numbers -> one Float32Array an output.
export function buildNetwork(tf, { steps, outputs }, weights, side) {
  const calls = steps.map((step) => OPERATIONS[step.op](tf, step, weights));
  // After its last reader a tensor is given back, so that memory does not grow with the depth.
  const last = {};
  steps.forEach((step, at) => { for (const i of step.in) last[i] = at; });
  for (const i of outputs) last[i] = steps.length;
  const gone = steps.map((step, at) => [...new Set(step.in)].filter((i) => last[i] === at));
  return (pixels) => {
    let answers;
    tf.tidy(() => {
      const values = [tf.tensor4d(pixels, [1, side, side, 3])];
      steps.forEach((step, at) => {
        values[step.out] = calls[at](step.in.map((i) => values[i]));
        for (const i of gone[at]) values[i].dispose();
      });
      answers = outputs.map((i) => values[i].dataSync().slice());
    });
    return answers;
  };
}

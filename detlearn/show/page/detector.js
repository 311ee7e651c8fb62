// The detector, without a page around it: a picture in, its answer and the time of each stage out.

import { makePriors } from "./geometry.js";
import { bytesOf, buildNetwork, startEngine, unpack } from "./engine.js";
import { prepareInput } from "./prepare.js";
import { candidatesOf, readAnswers, selectFrom } from "./answers.js";

export async function loadDetector(tf, options, engine, weights) {
  await startEngine(tf, engine);
  const { config, program } = options;
  const run = buildNetwork(tf, program, unpack(bytesOf(weights), options.tensors), config.side);
  const priors = makePriors(config.layout);
  const clock = () => performance.now();
  return {
    priors,
    // image: {data, width, height}. times: milliseconds of each stage.
    look(image) {
      const start = clock();
      const pixels = prepareInput(image, config);
      const prepared = clock();
      const numbers = run(pixels);
      const outputs = Object.fromEntries(config.outputs.map((name, i) => [name, numbers[i]]));
      const ran = clock();
      const answers = readAnswers(config, priors, outputs);
      return { answers, width: image.width, height: image.height,
        times: { prepare: prepared - start, network: ran - prepared, read: clock() - ran } };
    },
    choose(view, scoreThreshold, iouThreshold) {
      const start = clock(), { answers, width, height } = view;
      const candidates = candidatesOf(config, answers, width, height, scoreThreshold);
      const chosen = clock();
      const found = selectFrom(config, answers, candidates, width, height, iouThreshold);
      return { candidates, found, times: { candidates: chosen - start, nms: clock() - chosen } };
    },
  };
}

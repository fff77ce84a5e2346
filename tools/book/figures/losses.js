/** Focal loss and smooth L1 with their gradients (utils/losses.py). */
SingleShot.losses = {
  height: 460,

  /**
   * Focal loss of one anchor with an object, and its gradient with respect to the lead of the
   * object's logit, which is that of a probability p: ln(p / (1 - p)).
   */
  focal(lead, gamma, alpha) {
    const logP = -Math.log1p(Math.exp(-lead));
    const p = Math.exp(logP);
    const error = -Math.expm1(logP);
    return {
      loss: -alpha * error ** gamma * logP,
      gradient: alpha * error ** gamma * (gamma * p * logP - error),
    };
  },

  /** Smooth L1 of the error of one offset, and its gradient. */
  smoothL1(error, sigma) {
    const size = Math.abs(error);
    const isRound = size < 1 / sigma ** 2;
    return {
      loss: isRound ? (sigma * error) ** 2 / 2 : size - 1 / (2 * sigma ** 2),
      gradient: isRound ? sigma ** 2 * error : Math.sign(error),
    };
  },

  leadOf: (p) => Math.log(p / (1 - p)),

  numbers({ p, gamma, alpha, error, sigma }) {
    const focal = (each, power) => this.focal(this.leadOf(each), power, alpha);
    const shares = Array.from({ length: 197 }, (_, i) => 0.01 + i * 0.005);
    const errors = Array.from({ length: 201 }, (_, i) => (i - 100) / 50);
    return {
      focal: focal(p, gamma),
      entropy: focal(p, 0),
      smoothL1: this.smoothL1(error, sigma),
      focalCurve: shares.map((each) => [each, focal(each, gamma)]),
      entropyCurve: shares.map((each) => [each, focal(each, 0)]),
      smoothL1Curve: errors.map((each) => [each, this.smoothL1(each, sigma)]),
    };
  },

  say: ({ focal, entropy, smoothL1 }, { p, error }) =>
    `At p = ${p} focal loss is ${focal.loss.toFixed(4)} with a gradient of ${focal.gradient.toFixed(4)}; ` +
    `cross-entropy times α is ${entropy.loss.toFixed(4)} with ${entropy.gradient.toFixed(4)}. ` +
    `At an error of ${error} smooth L1 is ${smoothL1.loss.toFixed(4)} with a gradient of ${smoothL1.gradient.toFixed(4)}.`,

  PLOTS: [
    { part: "loss", curves: ["focal", "entropy"], left: 30, top: 24, title: "Focal loss", y: [0, 4] },
    { part: "loss", curves: ["smoothL1"], left: 205, top: 24, title: "Smooth L1", y: [0, 2] },
    { part: "gradient", curves: ["focal", "entropy"], left: 30, top: 250, title: "Its gradient", y: [-1.6, 0] },
    { part: "gradient", curves: ["smoothL1"], left: 205, top: 250, title: "Its gradient", y: [-1.6, 1.6] },
  ],
  SIZE: { width: 125, height: 155 },
  KINDS: { focal: "prediction", entropy: "entropy", smoothL1: "prediction" },

  draw(numbers, { p, error }) {
    return this.PLOTS.flatMap(({ part, curves, ...place }) => {
      const [x, xlabel, here] = curves.includes("focal") ? [[0, 1], "p", p] : [[-2, 2], "error", error];
      const axes = SingleShot.axes({ ...place, ...this.SIZE, x, xlabel });
      const lines = curves.map((name) =>
        axes.line(numbers[`${name}Curve`].map(([u, values]) => [u, values[part]]), this.KINDS[name]));
      return [...axes.elements, ...lines, axes.mark(here, numbers[curves[0]][part], "handle grip")];
    });
  },

  /** A pointer takes the mark of the curve that it began on. */
  drag(from, to) {
    const isFocal = from[0] < SingleShot.svg.WIDTH / 2;
    const share = (to[0] - (isFocal ? this.PLOTS[0] : this.PLOTS[1]).left) / this.SIZE.width;
    return isFocal ? { p: share } : { error: share * 4 - 2 };
  },
};
SingleShot.mount("losses");

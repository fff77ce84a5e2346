"""Losses of a single-shot detector: of its classes (two choices) and of its boxes.

Each returns one value an image, already divided by the positives of the whole batch: their sum is
the loss, and the optimiser steps with `trainer.step(1)`. Anchors with a target of -1 do not count.
"""

from utils.targets import BACKGROUND

from mxnet.gluon.loss import Loss

# A probability closer to 1 than this counts as this close: powers of 0 have no gradient.
SMALLEST_ERROR = 1e-12


def log_probability(F, cls_preds, cls_targets):
    """Return the log of the probability that each anchor gives its target class.

    `log_softmax` stays finite where `log(softmax(x))` gives -inf, once softmax rounds to 0.
    cls_preds: (N, A, C + 1) logits; cls_targets: (N, A), -1 is read as 0. Returns (N, A).
    """
    return F.pick(F.log_softmax(cls_preds, axis=-1), F.relu(cls_targets), axis=-1)


def sum_per_positive(F, anchor_losses, num_positives):
    """Return each image's summed loss, divided by the positives of the batch (at least 1).

    anchor_losses: (N, K); num_positives: (1,). Returns (N,).
    """
    return F.broadcast_div(anchor_losses.sum(axis=1), F.maximum(num_positives, 1))


class FocalLoss(Loss):
    """Cross-entropy that all but forgets what is already right (Lin et al., Focal Loss, eq. 5).

    alpha: weight of objects, 1 - alpha that of background; gamma: how fast an anchor's weight
    falls with its error: `(1 - p) ** gamma`. gamma 0 is cross-entropy weighted by alpha.
    With 0.5, a score of 0.5 means as likely an object as not; the paper takes 0.25.
    """

    def __init__(self, alpha=0.5, gamma=2.0, **kwargs):
        super().__init__(weight=None, batch_axis=0, **kwargs)
        self.alpha = alpha
        self.gamma = gamma

    def hybrid_forward(self, F, cls_preds, cls_targets):
        """cls_preds: (N, A, C + 1) logits; cls_targets: (N, A). Returns (N,)."""
        log_p = log_probability(F, cls_preds, cls_targets)
        error = F.maximum(-F.expm1(log_p), SMALLEST_ERROR)  # 1 - p, exact near p = 1
        is_positive = cls_targets > BACKGROUND
        is_background = cls_targets == BACKGROUND
        weight = self.alpha * is_positive + (1 - self.alpha) * is_background
        return sum_per_positive(F, -weight * error**self.gamma * log_p, is_positive.sum())


class MinedCrossEntropyLoss(Loss):
    """Cross-entropy over the positives and the hardest negatives (Liu et al., SSD, section 2.2).

    negative_ratio: negatives kept in each image for every positive, those of greatest loss first.
    """

    def __init__(self, negative_ratio=3.0, **kwargs):
        super().__init__(weight=None, batch_axis=0, **kwargs)
        self.negative_ratio = negative_ratio

    def hybrid_forward(self, F, cls_preds, cls_targets):
        """cls_preds: (N, A, C + 1) logits; cls_targets: (N, A). Returns (N,)."""
        losses = -log_probability(F, cls_preds, cls_targets)
        is_positive = cls_targets > BACKGROUND
        is_background = cls_targets == BACKGROUND
        # The rank of each anchor when negatives are sorted by loss; all others come last.
        order = F.argsort(losses * is_background - (1 - is_background), axis=1, is_ascend=False)
        rank = F.argsort(order, axis=1)
        quota = is_positive.sum(axis=1, keepdims=True) * self.negative_ratio  # (N, 1)
        is_kept = is_positive + F.broadcast_lesser(rank, quota) * is_background
        return sum_per_positive(F, losses * is_kept, is_positive.sum())


class SmoothL1Loss(Loss):
    """L1 with a round bottom (Girshick, Fast R-CNN, eq. 3), over the offsets of the positives.

    sigma: quadratic below an error of `1 / sigma ** 2`, linear above it.
    """

    def __init__(self, sigma=1.0, **kwargs):
        super().__init__(weight=None, batch_axis=0, **kwargs)
        self.sigma = sigma

    def hybrid_forward(self, F, box_preds, box_targets, box_masks):
        """box_preds, box_targets, box_masks: (N, 4 * A). Returns (N,)."""
        losses = F.smooth_l1((box_preds - box_targets) * box_masks, scalar=self.sigma)
        return sum_per_positive(F, losses, box_masks.sum() / 4)

"""The learning rate of the published training."""

from __future__ import annotations


def released_learning_rate(step: int, steps_per_epoch: int) -> float:
    """The learning rate of the published training, step by step.

    Linear from 1e-6 to 4e-3 over five epochs, then a table.  The paper has another one: 2e-3,
    divided by ten after 90 and 120 of 150 epochs; that is `detlearn.training.RECIPES`'
    ``"m2det512_vgg16"``.  To train with this one::

        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, weight_decay=5e-4)
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: released_learning_rate(k, 7330))

    Args:
        step: number of finished steps, 0 for the first step.
        steps_per_epoch: batches in an epoch.

    Returns:
        Learning rate; after the 160 epochs of the table that of the last one.

    **Deviation:** the published function raises ``NameError`` after its table.

    >>> [released_learning_rate(100 * epoch, 100) for epoch in (0, 5, 90, 110, 130, 150)]
    [1e-06, 0.004, 0.002, 0.0004, 4e-05, 4e-06]
    """
    warm_up = 5 * steps_per_epoch
    if step < warm_up:
        return 1e-6 + (4e-3 - 1e-6) * step / warm_up
    table = ((90, 4e-3), (110, 2e-3), (130, 4e-4), (150, 4e-5))
    for last_epoch, rate in table:
        if step < last_epoch * steps_per_epoch:
            return rate
    return 4e-6

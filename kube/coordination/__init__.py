"""What every controller needs that writes: who leads, a paced queue, conditions, finalizers, Events. Knows no controller."""

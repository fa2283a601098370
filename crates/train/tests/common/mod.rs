//! Code that the tests of training share.

#![allow(dead_code)] // each test program uses a part of it

use gradus_autograd::{Module, Param, Var};
use gradus_derive::Module;
use gradus_nn::{BatchNorm, Conv2d, Dropout, Forward, Linear, rng};
use gradus_train::History;

/// A small network with everything that makes exact resuming hard: dropout, and batch normalisation with its running
/// statistics.
#[derive(Clone, Module)]
#[module(crate = gradus_autograd)]
pub(crate) struct Net {
    pub(crate) conv: Conv2d,
    pub(crate) norm: BatchNorm,
    #[module(skip)]
    pub(crate) dropout: Dropout,
    pub(crate) out: Linear,
    pub(crate) scale: Param,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = rng(seed);
        Net {
            conv: Conv2d::new(1, 3, [3, 3], &mut rng),
            norm: BatchNorm::new(3),
            dropout: Dropout::new(0.3),
            out: Linear::new(3 * 36, 10, &mut rng),
            scale: Param::new(1.0),
        }
    }
}

impl Forward for Net {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let images = x.reshape([-1, 1, 8, 8]) / 16.0;
        let h = self.norm.forward(self.conv.forward(images)).relu();
        self.out.forward(self.dropout.forward(h.reshape([-1, 3 * 36]))) * &self.scale
    }
}

/// The bits of all numbers of a model.
pub(crate) fn bits(model: &impl Module) -> Vec<u32> {
    model.leaves().iter().flat_map(|(_, leaf)| leaf.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}

/// A history without the times, which differ between any two runs.
pub(crate) fn timeless(mut history: History) -> History {
    history.epochs.iter_mut().for_each(|row| row.seconds = 0.0);
    history
}

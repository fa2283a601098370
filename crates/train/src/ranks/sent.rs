//! Predictions, as they are sent to other ranks.

use gradus_autograd::Float;
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::{Predictions, Targets};

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Sent<T: Float> {
    outputs: Numbers<T>,
    targets: SentTargets<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Numbers<T: Float> {
    shape: Vec<usize>,
    numbers: Vec<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
enum SentTargets<T: Float> {
    Labels(Vec<usize>),
    Numbers(Numbers<T>),
    None,
}

impl<T: Float> From<ArrayD<T>> for Numbers<T> {
    fn from(array: ArrayD<T>) -> Self {
        Numbers { shape: array.shape().to_vec(), numbers: array.iter().copied().collect() }
    }
}

impl<T: Float> From<Numbers<T>> for ArrayD<T> {
    fn from(Numbers { shape, numbers }: Numbers<T>) -> Self {
        ArrayD::from_shape_vec(IxDyn(&shape), numbers).expect("as many numbers as were sent with this shape")
    }
}

impl<T: Float> From<Predictions<T>> for Sent<T> {
    fn from(Predictions { outputs, targets }: Predictions<T>) -> Self {
        let targets = match targets {
            Targets::Labels(labels) => SentTargets::Labels(labels),
            Targets::Numbers(numbers) => SentTargets::Numbers(numbers.into()),
            Targets::None => SentTargets::None,
        };
        Sent { outputs: outputs.into(), targets }
    }
}

impl<T: Float> From<Sent<T>> for Predictions<T> {
    fn from(Sent { outputs, targets }: Sent<T>) -> Self {
        let targets = match targets {
            SentTargets::Labels(labels) => Targets::Labels(labels),
            SentTargets::Numbers(numbers) => Targets::Numbers(numbers.into()),
            SentTargets::None => Targets::None,
        };
        Predictions { outputs: outputs.into(), targets }
    }
}

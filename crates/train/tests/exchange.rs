//! Exchange of weights with PyTorch: a model that PyTorch saved is loaded and computes the same outputs, and a model
//! that is saved here has PyTorch's names and shapes.
//!
//! `files/make.py` made the files, with PyTorch 2.15.

use std::path::{Path, PathBuf};

use gradus_autograd::{Module, Param, Tape, Var};
use gradus_data::read_npz;
use gradus_derive::Module;
use gradus_nn::{BatchNorm, Conv2d, Embedding, Forward, Gru, LayerNorm, Linear, Mlp, rng};
use gradus_train::{ContainerError, LoadError, load, load_partial, save};
use ndarray::{Array2, ArrayD, Ix2};

#[derive(Clone, Module)]
#[module(crate = gradus_autograd)]
struct Net {
    embed: Embedding,
    gru: Gru,
    norm: LayerNorm,
    conv: Conv2d,
    bn: BatchNorm,
    layers: Vec<Linear>,
}

impl Net {
    fn new() -> Self {
        let rng = &mut rng(0);
        Net {
            embed: Embedding::new(11, 4, rng),
            gru: Gru::new(4, 6, rng),
            norm: LayerNorm::new(&[6]),
            conv: Conv2d::new(1, 3, [3, 3], rng).padding([1, 1]),
            bn: BatchNorm::new(3),
            layers: vec![Linear::new(90, 5, rng), Linear::new(5, 2, rng).without_bias()],
        }
    }

    fn forward<'t>(&self, tape: &'t Tape, tokens: &Array2<usize>) -> Var<'t> {
        let h = self.norm.forward(self.gru.forward(self.embed.lookup(tape, tokens))).unsqueeze(1);
        let h = self.bn.forward(self.conv.forward(h)).relu().reshape([-1, 90]);
        self.layers[1].forward(self.layers[0].forward(h).tanh())
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)
}

/// The largest difference between a model's outputs and PyTorch's.
fn error_of(net: &Net) -> f32 {
    let io = read_npz::<f32>(file("pytorch_io.npz")).unwrap();
    let array = |name: &str| io.iter().find(|(n, _)| n == name).unwrap().1.clone();
    let tokens = array("tokens").mapv(|x| x as usize).into_dimensionality::<Ix2>().unwrap();
    let expected: ArrayD<f32> = array("outputs");
    let tape = Tape::inference();
    let outputs = net.forward(&tape, &tokens).value().to_owned();
    assert_eq!(outputs.shape(), expected.shape());
    outputs.iter().zip(&expected).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

#[test]
fn what_pytorch_saved_computes_what_it_computed() {
    for name in ["pytorch.safetensors", "pytorch.npz"] {
        let mut net = Net::new();
        assert!(error_of(&net) > 0.1);
        load(&mut net, file(name)).unwrap();
        assert!(error_of(&net) < 1e-6, "{name}: {}", error_of(&net));
    }
    // both forms of half precision are widened, and the outputs agree as far as this precision allows
    let mut net = Net::new();
    load(&mut net, file("pytorch_half.safetensors")).unwrap();
    let error = error_of(&net);
    assert!(1e-6 < error && error < 0.02, "{error}");
}

#[test]
fn what_is_saved_has_pytorchs_names_shapes_and_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut net = Net::new();
    load(&mut net, file("pytorch.safetensors")).unwrap();
    let path = folder.path().join("ours.safetensors");
    save(&net, &path).unwrap();
    let (ours, theirs) = (std::fs::read(&path).unwrap(), std::fs::read(file("pytorch.safetensors")).unwrap());
    let tensors = |bytes: &[u8]| {
        let tensors = safetensors::SafeTensors::deserialize(bytes).unwrap();
        let one = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
            (name.to_owned(), format!("{:?} {:?}", view.dtype(), view.shape()), view.data().to_vec())
        };
        let mut all: Vec<_> = tensors.iter().map(one).filter(|(name, ..)| name != "bn.num_batches_tracked").collect();
        all.sort();
        all
    };
    assert_eq!(tensors(&ours), tensors(&theirs));
    assert_eq!(tensors(&ours).len(), 16);
}

#[test]
fn every_format_brings_every_number_back() {
    let folder = tempfile::tempdir().unwrap();
    let numbers =
        |model: &Mlp<f64>| -> Vec<f64> { model.leaves().iter().flat_map(|(_, l)| l.data().to_vec()).collect() };
    let mut model = Mlp::builder([3, 4, 2]).seed(1).build::<f64>();
    model.layers[0].weight.update(|w| (w[0], w[1], w[2]) = (f64::MIN_POSITIVE / 8.0, -0.0, 1e308));
    for name in ["m.gradus", "m.safetensors", "m.npz"] {
        let path = folder.path().join(name);
        save(&model, &path).unwrap();
        let mut other = Mlp::builder([3, 4, 2]).seed(2).build::<f64>();
        load(&mut other, &path).unwrap();
        let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(numbers(&model)), bits(numbers(&other)), "{name}");
        // the formats of others are converted to the model's number type, if it can hold the numbers; our own is
        // refused
        let mut single = Mlp::builder([3, 4, 2]).build::<f32>();
        let error = load(&mut single, &path).unwrap_err().to_string();
        assert!(error.contains("1e308 is too large for f32") || name == "m.gradus", "{error}");
        other.layers[0].weight.update(|w| w[2] = 1.0);
        save(&other, &path).unwrap();
        match load(&mut single, &path) {
            Ok(()) => assert_ne!(name, "m.gradus"),
            Err(error) => assert!(
                matches!(error, LoadError::Container { error: ContainerError::Scalar { .. }, .. }),
                "{name}: {error}"
            ),
        }
    }
}

#[test]
fn strict_and_partial_loading_list_all_that_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["m.gradus", "m.safetensors", "m.npz"] {
        let path = folder.path().join(name);
        let saved =
            (Linear::<f32>::new(3, 4, &mut rng(1)), Linear::<f32>::new(4, 2, &mut rng(1)), Param::new([7.0f32]));
        save(&saved, &path).unwrap();
        let new = || (Linear::<f32>::new(3, 4, &mut rng(2)), Linear::<f32>::new(4, 5, &mut rng(2)));
        let (mut model, before) = ((new(), [Param::new([0.0f32])]), new());
        let error = load(&mut model, &path).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().skip(1).map(str::trim).collect();
        assert_eq!(lines.iter().filter(|l| l.starts_with("missing in the file: ")).count(), 5, "{error}");
        assert_eq!(lines.iter().filter(|l| l.starts_with("unexpected in the file: ")).count(), 5, "{error}");
        assert_eq!(model.0.0.weight.data(), before.0.weight.data(), "nothing is half-loaded");

        let mut model = (new().0, new().1);
        let mismatch = load_partial(&mut model, &path).unwrap();
        assert_eq!((mismatch.missing.len(), mismatch.unexpected), (0, vec!["2".to_owned()]));
        assert_eq!(mismatch.shapes, [("1.weight".into(), vec![2, 4], vec![5, 4]), ("1.bias".into(), vec![2], vec![5])]);
        assert_eq!(model.0.weight.data(), saved.0.weight.data());
        assert_eq!(model.1.weight.data(), before.1.weight.data());
    }
}

#[test]
fn safetensors_are_told_by_their_content_and_may_hold_integers() {
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.bin");
    let (weight, places) = ([0u8, 0, 128, 63].repeat(2), 7i64.to_le_bytes());
    let tensors = [
        ("weight", TensorView::new(Dtype::F32, vec![1, 2], &weight).unwrap()),
        ("position_ids", TensorView::new(Dtype::I64, vec![1], &places).unwrap()),
    ];
    std::fs::write(&path, serialize(tensors, None).unwrap()).unwrap();
    let mut layer = Linear::<f32>::new(2, 1, &mut rng(0)).without_bias();
    let error = load(&mut layer, &path).unwrap_err().to_string();
    assert!(error.ends_with("unexpected in the file: position_ids"), "{error}");
    assert_eq!(load_partial(&mut layer, &path).unwrap().unexpected, ["position_ids"]);
    assert_eq!(layer.weight.data(), [1.0, 1.0]);
}

#[test]
fn files_of_others_that_are_damaged_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let mut net = Net::new();
    let before: Vec<Vec<f32>> = net.leaves().iter().map(|(_, l)| l.data().to_vec()).collect();
    for name in ["pytorch.safetensors", "pytorch.npz"] {
        let whole = std::fs::read(file(name)).unwrap();
        let path = folder.path().join(name);
        for end in (0..whole.len()).step_by(37) {
            std::fs::write(&path, &whole[..end]).unwrap();
            let error = load(&mut net, &path).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        // damage anywhere in the heads and the numbers: a file may be loaded or refused, and if refused, changes
        // nothing
        for place in (0..whole.len()).step_by(11) {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x21;
            std::fs::write(&path, &bytes).unwrap();
            if load(&mut net.clone(), &path).is_err() {
                let _ = load(&mut net, &path);
            }
        }
    }
    let after: Vec<Vec<f32>> = net.leaves().iter().map(|(_, l)| l.data().to_vec()).collect();
    assert_eq!(before, after);
}

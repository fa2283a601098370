//! The ten decoders.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use gradus::data::{self, Csv, DiskRows, Examples, Table};
use gradus::optim::{Adam, EarlyStopping, ReduceOnPlateau};
use gradus::prelude::{Checkpoints, Forward, Mlp, Param, Tape, Trainer, load, load_partial, save};
use gradus::train::{load_checkpoint, save_checkpoint};
use gradus::{Module, Trace, explain};
use ndarray::{ArrayD, array};
use tempfile::TempDir;

use crate::{Target, zipped};

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(tempfile::tempdir().expect("a folder for temporary files"));
}

/// Writes bytes to a file in this thread's folder.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = FOLDER.with_borrow(|folder| folder.path().join(name));
    std::fs::write(&path, bytes).expect("temporary files can be written");
    path
}

/// The bytes that `write` writes to a file.
fn made(name: &str, write: impl FnOnce(&Path)) -> Vec<u8> {
    let path = file(name, &[]);
    write(&path);
    std::fs::read(&path).expect("it was written")
}

fn model() -> Mlp {
    Mlp::builder([4, 3, 3]).dropout(0.1).seed(1).build()
}

/// Corrects the length and the checksum of a file in the format of our own: magic, version, length, checksum, content.
fn seal(bytes: &mut [u8]) {
    if bytes.len() > 24 {
        let (length, checksum) = ((bytes.len() - 24) as u64, crc32fast::hash(&bytes[24..]));
        bytes[12..20].copy_from_slice(&length.to_le_bytes());
        bytes[20..24].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn none(_: &mut [u8]) {}

fn own_model(content: &[u8]) -> Vec<u8> {
    let mut bytes = [&b"GRADUS\r\n"[..], &1u32.to_le_bytes(), &[0; 12], content].concat();
    seal(&mut bytes);
    bytes
}

fn load_it(name: &str, bytes: &[u8]) {
    let path = file(name, bytes);
    let mut into = model();
    let before = into.params()[0].1.data().to_vec();
    if load(&mut into, &path).is_err() {
        assert_eq!(into.params()[0].1.data(), before, "something was half-loaded");
    }
    let _ = load_partial(&mut into, &path);
}

/// A run whose checkpoints hold everything that they can hold. It stops within its second epoch.
fn trainer(folder: &Path) -> Trainer<Adam> {
    let trainer = Trainer::new(Adam::new(0.01)).steps(7).batch_size(40).keep_best(true);
    trainer
        .early_stopping(EarlyStopping::new(50))
        .reduce_on_plateau(ReduceOnPlateau::new().patience(50))
        .checkpoints(Checkpoints::in_folder(folder).every_steps(1).keep(3).resume(true))
}

fn some_iris() -> data::Dataset<f32> {
    data::iris()
}

fn checkpoints_of_a_run() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    trainer(folder.path()).fit(&mut model(), &some_iris(), None).expect("a run on right data");
    let list = Checkpoints::in_folder(folder.path()).list().expect("a folder of checkpoints");
    list.iter().map(|(_, path)| std::fs::read(path).expect("a checkpoint")).collect()
}

/// Checkpoints of a run in which one byte of the state has a value at which the encoding of numbers changes. Every
/// count in the state is among these bytes.
fn lying_runs() -> Vec<Vec<u8>> {
    let seed = checkpoints_of_a_run().pop().expect("a checkpoint");
    let each = |at: usize| {
        let seed = &seed;
        [0u8, 1, 2, 4, 7, 127, 250, 255].into_iter().map(move |byte| {
            let mut bytes = seed.clone();
            bytes[at] = byte;
            seal(&mut bytes);
            bytes
        })
    };
    // the state of the run is at the end
    (seed.len().saturating_sub(260)..seed.len()).flat_map(each).collect()
}

fn resume(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("step-0000000007.checkpoint"), bytes).expect("a file");
    let _ = trainer(folder.path()).steps(12).fit(&mut model(), &some_iris(), None);
}

fn saved_checkpoint() -> Vec<Vec<u8>> {
    let (mut model, mut opt, data) = (model(), Adam::<f32>::new(0.01), data::iris());
    let (_, grads) =
        Tape::training(0).gradients(|t| Forward::forward(&model, t.constant(data.x())).cross_entropy(data.y()));
    opt.step(&mut model, &grads);
    vec![made("a.checkpoint", |path| {
        save_checkpoint(path, &model, &opt, &(3u64, "text".to_owned(), vec![1.5f64])).expect("a checkpoint");
    })]
}

fn load_a_checkpoint(bytes: &[u8]) {
    let path = file("b.checkpoint", bytes);
    let (mut model, mut opt, data) = (model(), Adam::<f32>::new(0.01), data::iris());
    if load_checkpoint::<f32, _, _, (u64, String, Vec<f64>)>(&path, &mut model, &mut opt).is_ok() {
        let (_, grads) =
            Tape::training(0).gradients(|t| Forward::forward(&model, t.constant(data.x())).cross_entropy(data.y()));
        let _ = opt.try_step(&mut model, &grads);
    }
}

fn arrays() -> [ArrayD<f64>; 2] {
    [array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn(), array![0.5].into_dyn()]
}

fn npy_seeds() -> Vec<Vec<u8>> {
    let [x, y] = arrays();
    vec![
        made("a.npy", |path| data::write_npy(path, &x).expect("a file")),
        made("a.npy", |path| data::write_npy(path, &y.mapv(|y| y as f32)).expect("a file")),
    ]
}

fn csv(bytes: &[u8]) {
    let path = file("a.csv", bytes);
    let ways = [
        Csv::new(),
        Csv::new().header(true),
        Csv::new().header(false),
        Csv::new().separator(';').comments('#').decimal_comma(true).missing(&["-"]),
        Csv::new().blanks().header(true),
    ];
    for table in ways.iter().filter_map(|way| way.read(&path).ok()) {
        read_columns(&table);
    }
}

fn read_columns(table: &Table) {
    let names: Vec<&str> = table.columns().iter().map(String::as_str).collect();
    for column in names.iter().take(20) {
        let _ = (table.numbers::<f32>(column), table.categories(column), table.missing(column));
        if table.len() < 50 {
            let _ = table.one_hot::<f64>(column);
        }
    }
    let _ = (table.complete(&names), table.matrix::<f64>(&names));
    if let [x, .., y] = *names {
        let _ = table.dataset::<f32>(&[x], y);
    }
}

fn trace_seeds() -> Vec<Vec<u8>> {
    let (w, tape) = (Param::new([1.0f32, -2.0]), Tape::new());
    let x = tape.var([0.5, f32::INFINITY]);
    let cost = (x * &w).tanh().square().sum();
    vec![serde_json::to_vec(&explain(cost)).expect("JSON")]
}

fn trace(bytes: &[u8]) {
    if let Ok(trace) = serde_json::from_slice::<Trace>(bytes) {
        let _ = (trace.to_string(), trace.graphviz(), trace.mermaid(), trace.step(3));
        let again = serde_json::to_vec(&trace).expect("JSON");
        assert!(serde_json::from_slice::<Trace>(&again).is_ok(), "what is written is read");
    }
}

/// All targets.
pub const ALL: [Target; 10] = [
    Target {
        name: "model",
        seeds: || vec![made("a.gradus", |path| save(&model(), path).expect("a file"))],
        found: || {
            // one leaf whose path is said to have 4,278,190,079 bytes, and one that is said to have as many numbers
            let long = |content: &[u8]| own_model(content);
            vec![long(b"\x03f32\x01\xfc\xff\xff\xff\xfe"), long(b"\x03f32\x01\x01a\x00\xfc\xff\xff\xff\xfe")]
        },
        run: |bytes| load_it("b.gradus", bytes),
        seal,
    },
    Target { name: "checkpoint", seeds: saved_checkpoint, found: Vec::new, run: load_a_checkpoint, seal },
    Target { name: "run", seeds: checkpoints_of_a_run, found: lying_runs, run: resume, seal },
    Target {
        name: "safetensors",
        seeds: || vec![made("a.safetensors", |path| save(&model(), path).expect("a file"))],
        found: || vec![b"version https://git-lfs.github.com/spec/v1\n".to_vec()],
        run: |bytes| load_it("b.safetensors", bytes),
        seal: none,
    },
    Target {
        name: "npz",
        seeds: || vec![made("a.npz", |path| save(&model(), path).expect("a file"))],
        found: Vec::new,
        run: |bytes| {
            load_it("b.npz", bytes);
            let path = file("c.npz", bytes);
            let _ = (data::read_npz::<f64>(&path), data::read_npz_array::<f32>(&path, "layers.0.weight"));
        },
        seal: none,
    },
    Target {
        name: "npy",
        seeds: npy_seeds,
        found: Vec::new,
        run: |bytes| {
            let path = file("b.npy", bytes);
            let _ = (data::read_npy::<f32>(&path), data::read_npy::<f64>(&path));
        },
        seal: none,
    },
    Target {
        name: "idx",
        seeds: || {
            let plain = [&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &[1, 2, 3, 4, 5, 6]].concat();
            let doubles = [&[0, 0, 0x0e, 1, 0, 0, 0, 1][..], &1.5f64.to_be_bytes()].concat();
            vec![zipped(&plain), plain, doubles]
        },
        found: Vec::new,
        run: |bytes| drop(data::read_idx(file("a.idx", bytes))),
        seal: none,
    },
    Target {
        name: "csv",
        seeds: || {
            let table = b"a, b,kind\n1,2.5,cat\n, NA,\"dog, brown\"\n# no\n3;4,1e3,fox\n".to_vec();
            vec![zipped(&table), b"\xef\xbb\xbfx y\r\n1  2\r\n\r\n3 True\r\n".to_vec(), table]
        },
        found: || {
            let wide: Vec<String> = (0..20_000).map(|k| format!("c{k}")).collect();
            vec![b"a\n".iter().chain(b"1\n".repeat(200_000).iter()).copied().collect(), wide.join(",").into_bytes()]
        },
        run: csv,
        seal: none,
    },
    Target {
        name: "disk rows",
        seeds: npy_seeds,
        found: || {
            // 0 rows of 2³⁰ numbers each
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': (0, {}), }}", 1 << 30);
            vec![[b"\x93NUMPY\x01\x00v\x00", format!("{header:<117}\n").as_bytes()].concat()]
        },
        run: |bytes| {
            if let Ok(rows) = DiskRows::<f32>::open(file("c.npy", bytes)) {
                let picked: Vec<usize> = (0..rows.len().min(3)).collect();
                let _ = rows.pick(&picked);
            }
        },
        seal: none,
    },
    Target {
        name: "trace",
        seeds: trace_seeds,
        found: || {
            let long = String::from_utf8(trace_seeds().remove(0)).expect("JSON").replace("tanh", &"x".repeat(70_000));
            vec![long.into_bytes()]
        },
        run: trace,
        seal: none,
    },
];

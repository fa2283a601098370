//! Checkpoints: all that a run needs to go on as if it had never been stopped.

use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use gradus_autograd::{Float, Module};
use gradus_data::{FileError, remove_unfinished};
use gradus_optim::Descent;
use serde::de::{self, DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::LoadError;
use crate::files::container::{self, ContainerError, Kind};
use crate::files::leaves::{Leaves, unfit};

#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "S: Serialize, E: Serialize", deserialize = "S: DeserializeOwned, E: DeserializeOwned"))]
struct Saved<T: Float, S, E> {
    model: Leaves<T>,
    optimizer: Typed<S, true>,
    extra: Typed<E, false>,
}

/// The start of the message about a state of another kind of optimizer; `load_content` recognises the error by it.
const OTHER_OPTIMIZER: &str = "the saved state is";

/// A value with the name of its type before it, so that it is not read as a value of another type.
#[derive(Serialize)]
struct Typed<E, const OPTIMIZER: bool> {
    #[serde(with = "gradus_autograd::exact")]
    name: String,
    value: E,
}

impl<'de, E: DeserializeOwned, const OPTIMIZER: bool> Deserialize<'de> for Typed<E, OPTIMIZER> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<E, const OPTIMIZER: bool>(PhantomData<E>);
        impl<'de, E: DeserializeOwned, const OPTIMIZER: bool> Visitor<'de> for Parts<E, OPTIMIZER> {
            type Value = Typed<E, OPTIMIZER>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a type, and a value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let lacks = || de::Error::invalid_length(0, &"two parts");
                let Name(name) = parts.next_element()?.ok_or_else(lacks)?;
                let own = type_of::<E>();
                if name != own {
                    let what = if OPTIMIZER { OTHER_OPTIMIZER } else { "what is saved beside the model is" };
                    return Err(de::Error::custom(format!("{what} {name}, not {own}")));
                }
                Ok(Typed { name, value: parts.next_element()?.ok_or_else(lacks)? })
            }
        }
        #[derive(Deserialize)]
        struct Name(#[serde(with = "gradus_autograd::exact")] String);
        deserializer.deserialize_tuple(2, Parts(PhantomData))
    }
}

impl<E, const OPTIMIZER: bool> Typed<E, OPTIMIZER> {
    fn new(value: E) -> Self {
        Typed { name: type_of::<E>(), value }
    }
}

/// The name of a type, without the modules of the type and of its parts. References are left out, and `str` and slices
/// become `String` and `Vec`, because a value that is saved by reference is loaded as an owned value.
fn type_of<E: ?Sized>() -> String {
    let (mut short, mut word) = (String::new(), String::new());
    for sign in std::any::type_name::<E>().chars().chain([' ']) {
        match sign {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | ':' => word.push(sign),
            _ => {
                let name = word.rsplit("::").next().unwrap_or_default();
                // a slice is loaded as a `Vec`
                match (short.rfind('['), sign) {
                    (Some(open), ']') if !short[open..].contains(';') => {
                        short.replace_range(open..=open, "Vec<");
                        short += &format!("{}>", if name == "str" { "String" } else { name });
                    }
                    _ => {
                        short += if name == "str" { "String" } else { name };
                        short.extend((sign != '&').then_some(sign));
                    }
                }
                word.clear();
            }
        }
    }
    short.trim_end().to_owned()
}

/// Saves a model, its optimizer, and whatever else a loop of your own needs to go on: the epoch, the position in it,
/// [`Tape::stream`](gradus_autograd::Tape::stream). A crash leaves the old file or the new one.
///
/// ```
/// use gradus_autograd::{Module, Stream, Tape};
/// use gradus_nn::{Forward, Mlp};
/// use gradus_optim::Adam;
/// use gradus_train::{load_checkpoint, save_checkpoint};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("run.checkpoint");
/// let data = gradus_data::iris();
/// let run = |mut epoch: u64, model: &mut Mlp, opt: &mut Adam, tape: &mut Tape, until: u64| {
///     while epoch < until {
///         for batch in data.batches(32).shuffle(epoch) {
///             let (_, grads) = tape.gradients(|t| model.forward(t.constant(&batch.x)).cross_entropy(&batch.y));
///             opt.step(model, &grads);
///         }
///         epoch += 1;
///     }
/// };
/// let new = || (Mlp::builder([4, 8, 3]).dropout(0.1).build::<f32>(), Adam::new(0.01), Tape::training(1));
/// let (mut model, mut opt, mut tape) = new();
/// run(0, &mut model, &mut opt, &mut tape, 2);
/// save_checkpoint(&path, &model, &opt, &(2u64, tape.stream()))?;
/// run(2, &mut model, &mut opt, &mut tape, 4); // the run goes on …
///
/// let (mut again, mut opt, mut tape) = new();
/// let (epoch, stream): (u64, Stream) = load_checkpoint(&path, &mut again, &mut opt)?;
/// tape.set_stream(stream);
/// run(epoch, &mut again, &mut opt, &mut tape, 4); // … and so does another from the file: bit for bit the same
/// assert_eq!(model.params()[0].1.data(), again.params()[0].1.data());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written, or two parameters have one path.
pub fn save_checkpoint<T: Float, M: Module<T> + ?Sized, D: Descent<T>>(
    path: impl AsRef<Path>,
    model: &M,
    optimizer: &D,
    extra: &impl Serialize,
) -> Result<(), FileError> {
    write(path.as_ref(), model, optimizer.state(), extra)
}

/// Does the same, for a state of the optimizer.
fn write<T: Float, M: Module<T> + ?Sized>(
    path: &Path,
    model: &M,
    optimizer: impl Serialize,
    extra: &impl Serialize,
) -> Result<(), FileError> {
    if let Some(reason) = unfit(model) {
        return Err(FileError { path: path.into(), source: std::io::Error::other(reason) });
    }
    let saved = Saved { model: Leaves::of(model), optimizer: Typed::new(optimizer), extra: Typed::new(extra) };
    container::write(Kind::Checkpoint, &saved, path)
}

/// Loads a file of [`save_checkpoint`] into a model and an optimizer that were made with the same settings. Returns the
/// extra value that was saved with them; its type must be the saved one (`String` for a `&str`, `Vec` for a slice).
///
/// # Errors
/// If the file is missing, is no checkpoint, is cut short or damaged, has another format, does not fit the model or the
/// optimizer, or has an extra value of another type. Model and optimizer are then as they were.
pub fn load_checkpoint<T: Float, M: Module<T> + ?Sized, D: Descent<T>, E: DeserializeOwned>(
    path: impl AsRef<Path>,
    model: &mut M,
    optimizer: &mut D,
) -> Result<E, LoadError> {
    let path = path.as_ref();
    load_content(&read(path)?, path, model, optimizer, |_, _| Ok(()))
}

/// Reads the content of a checkpoint.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    container::open(Kind::Checkpoint, path).map_err(LoadError::at(path))
}

/// Loads a content that was [read](read), here or by another rank, from the file at a path. `check` sees the extra
/// value and the model before anything is changed.
pub(crate) fn load_content<T: Float, M: Module<T> + ?Sized, D: Descent<T>, E: DeserializeOwned>(
    content: &[u8],
    path: &Path,
    model: &mut M,
    optimizer: &mut D,
    check: impl FnOnce(&E, &M) -> Result<(), LoadError>,
) -> Result<E, LoadError> {
    let saved: Saved<T, D::State, E> = container::decode(content, T::NAME).map_err(|error| match error {
        // the file is sound, but of another kind of optimizer
        ContainerError::Content { reason } if reason.contains(OTHER_OPTIMIZER) => {
            LoadError::Optimizer { path: path.into(), reason }
        }
        error => LoadError::at(path)(error),
    })?;
    if let Some(reason) = saved.model.flaw() {
        return Err(LoadError::damaged(path, reason));
    }
    let mismatch = saved.model.compare(model);
    if !mismatch.is_empty() {
        return Err(LoadError::Architecture { path: path.into(), mismatch });
    }
    let mut loaded = optimizer.clone();
    let unfit = |reason: String| LoadError::Optimizer { path: path.into(), reason };
    loaded.load_state(saved.optimizer.value).map_err(|e| unfit(e.to_string()))?;
    loaded.state_fits(model).map_err(|e| unfit(e.to_string()))?;
    check(&saved.extra.value, model)?;
    let fault = |reason| LoadError::Model { path: path.into(), reason };
    crate::files::leaves::unfit(model).map_or(Ok(()), |reason| Err(fault(reason)))?;
    saved.model.write_to(model).map_err(fault)?;
    *optimizer = loaded;
    Ok(saved.extra.value)
}

/// Where a [`Trainer`](crate::Trainer) saves its run, when, and how many of the last checkpoints it keeps.
///
/// The files are called `step-0000001200.checkpoint`. A folder is for one run, and one process at a time: without
/// [`resume`](Self::resume), a folder that holds checkpoints is an error, and nothing in it is touched. A checkpoint
/// does not hold the things that the program sets: which parameters are frozen, and the variables of a callback.
///
/// ```
/// use gradus_nn::Mlp;
/// use gradus_optim::Adam;
/// use gradus_train::{Checkpoints, Trainer};
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let run = |epochs| {
///     let mut model = Mlp::builder([4, 8, 3]).dropout(0.2).seed(1).build::<f32>();
///     let checkpoints = Checkpoints::in_folder(folder).every_steps(7).keep(2).resume(true);
///     let mut trainer = Trainer::new(Adam::new(0.01)).checkpoints(checkpoints).epochs(epochs).seed(1);
///     let history = trainer.fit(&mut model, &gradus_data::iris(), None)?;
///     Ok::<_, gradus_train::TrainError>((history.steps.len(), history.last().train.loss))
/// };
/// assert_eq!(run(2)?.0, 10);
/// let (steps, loss) = run(4)?; // goes on where the first one ended
/// assert_eq!(steps, 20);
/// # assert!(loss > 0.0);
/// # Ok::<(), gradus_train::TrainError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    every: Option<u64>,
    epochs: u64,
    keep: usize,
    resume: bool,
}

/// The parts of a file's name before and after the number of the step.
const NAME: (&str, &str) = ("step-", ".checkpoint");

impl Checkpoints {
    /// Saves at the end of each epoch, and keeps the last three checkpoints.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Checkpoints { folder: folder.into(), every: None, epochs: 1, keep: 3, resume: false }
    }

    /// Saves at the end of the run and of every `epochs`-th epoch, instead of each epoch. A checkpoint waits for the
    /// disk for some milliseconds, which is longer than a short epoch takes.
    ///
    /// # Panics
    /// If `epochs` is 0.
    #[track_caller]
    pub fn every_epochs(mut self, epochs: u64) -> Self {
        assert!(epochs > 0, "Checkpoints: every 0 epochs");
        self.epochs = epochs;
        self
    }

    /// Also saves a checkpoint after every `steps` steps.
    ///
    /// # Panics
    /// If `steps` is 0.
    #[track_caller]
    pub fn every_steps(mut self, steps: u64) -> Self {
        assert!(steps > 0, "Checkpoints: every 0 steps");
        self.every = Some(steps);
        self
    }

    /// Sets how many of the last checkpoints are kept.
    ///
    /// # Panics
    /// If `count` is 0.
    #[track_caller]
    pub fn keep(mut self, count: usize) -> Self {
        assert!(count > 0, "Checkpoints: 0 are kept");
        self.keep = count;
        self
    }

    /// Sets whether the run goes on from the last checkpoint in the folder, if there is one.
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// When it saves, for a comparison between ranks.
    pub(crate) fn rhythm(&self) -> String {
        format!("every {} epochs, every {:?} steps", self.epochs, self.every)
    }

    pub(crate) fn resumes(&self) -> bool {
        self.resume
    }

    /// Returns whether to save after a step. `epochs` is the number of complete epochs, if the step is the last of an
    /// epoch.
    pub(crate) fn is_due(&self, step: u64, epochs: Option<u64>) -> bool {
        self.every.is_some_and(|every| step.is_multiple_of(every))
            || epochs.is_some_and(|epochs| epochs.is_multiple_of(self.epochs))
    }

    pub(crate) fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("{}{step:010}{}", NAME.0, NAME.1))
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> FileError + '_ {
        |source| FileError { path: self.folder.clone(), source }
    }

    /// The checkpoints in the folder, each with its step, the oldest first.
    ///
    /// # Errors
    /// If the folder exists, but cannot be read.
    pub fn list(&self) -> Result<Vec<(u64, PathBuf)>, FileError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(self.failed())?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(self.failed())?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let step = name.strip_prefix(NAME.0).and_then(|rest| rest.strip_suffix(NAME.1));
            if let Some(step) = step.and_then(|digits| digits.parse().ok()) {
                found.push((step, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Makes the folder, and removes the half-written files of killed runs from it.
    pub(crate) fn prepare(&self) -> Result<(), FileError> {
        fs::create_dir_all(&self.folder).map_err(self.failed())?;
        remove_unfinished(&self.folder);
        Ok(())
    }

    /// Saves the run at a step, then removes the oldest checkpoints if there are more than are kept.
    pub(crate) fn save<T: Float, M: Module<T> + ?Sized>(
        &self,
        step: u64,
        model: &M,
        optimizer: impl Serialize,
        extra: &impl Serialize,
    ) -> Result<PathBuf, FileError> {
        let path = self.path(step);
        write(&path, model, optimizer, extra)?;
        let all = self.list()?;
        for (_, old) in all[..all.len().saturating_sub(self.keep)].iter().filter(|(_, old)| *old != path) {
            fs::remove_file(old).map_err(|source| FileError { path: old.clone(), source })?;
        }
        Ok(path)
    }
}

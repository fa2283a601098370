//! The history of a training run, and its log files.

use std::fmt;
use std::path::{Path, PathBuf};

use gradus_data::{FileError, write_quickly};
use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::Scores;
use crate::sweep::short;

/// One epoch of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// the number of the epoch, counted from 1
    pub epoch: u64,
    /// the number of steps made since the run began
    pub step: u64,
    /// the mean scores of its batches, each measured before the step
    pub train: Scores,
    /// the scores on the validation data, after the epoch
    pub valid: Option<Scores>,
    /// the learning rate of its last step
    #[serde(with = "gradus_autograd::exact")]
    pub lr: f64,
    /// the mean norm of the gradient over its steps, NaN if the optimizer computes none
    #[serde(with = "gradus_autograd::exact")]
    pub grad_norm: f64,
    /// the time that the epoch took, validation included
    #[serde(with = "gradus_autograd::exact")]
    pub seconds: f64,
}

/// One step of a training run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    /// the mean cost of the batch, before the step
    #[serde(with = "gradus_autograd::exact")]
    pub loss: f64,
    /// the learning rate of the step
    #[serde(with = "gradus_autograd::exact")]
    pub lr: f64,
    /// the norm of the gradient before clipping, NaN if the optimizer computes none
    #[serde(with = "gradus_autograd::exact")]
    pub grad_norm: f64,
}

/// The reason why a training run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Ended {
    /// all epochs or steps were made
    #[default]
    Finished,
    /// the metric that is watched got no better for too long
    Early,
    /// the callback returned `Break`
    Callback,
    /// Ctrl-C, or a request to end the process, stopped the run
    Interrupted {
        /// the last checkpoint, if the run was saved
        #[serde(with = "gradus_autograd::exact")]
        checkpoint: Option<PathBuf>,
    },
}

/// The history of a training run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// a row for each epoch
    pub epochs: Vec<Epoch>,
    /// a row for each step
    pub steps: Vec<StepRow>,
    /// the number of steps that were made before these: by earlier calls of `fit`
    pub steps_before: u64,
    /// the epoch whose model was kept as the best, counted from 1, if the best is kept
    pub best: Option<u64>,
    /// the reason why the run ended
    pub ended: Ended,
    /// remarks that a user should read: that the watched metric is no number, say
    #[serde(default, with = "gradus_autograd::exact")]
    pub notes: Vec<String>,
}

impl History {
    /// The part that was added after the given numbers of epochs, steps and notes.
    pub(crate) fn since(&self, [epochs, steps, notes]: [usize; 3]) -> Self {
        History {
            epochs: self.epochs[epochs.min(self.epochs.len())..].to_vec(),
            steps: self.steps[steps.min(self.steps.len())..].to_vec(),
            steps_before: self.steps_before + steps.min(self.steps.len()) as u64,
            notes: self.notes[notes.min(self.notes.len())..].to_vec(),
            best: self.best,
            ended: self.ended.clone(),
        }
    }

    /// The last epoch.
    ///
    /// # Panics
    /// If there is none: no epochs were asked for, or the run was stopped in the first.
    #[track_caller]
    pub fn last(&self) -> &Epoch {
        self.epochs.last().expect("History::last: there is no epoch yet")
    }

    /// The epochs as a table: the names of the columns, and a row for each epoch. A number that is missing is NaN. The
    /// columns are `epoch`, `step`, `lr`, `grad_norm`, `seconds`, `loss`, the metrics, and those of the validation with
    /// `valid_` before their names. A `History` that is printed shows this table.
    ///
    /// ```
    /// use gradus_nn::Mlp;
    /// use gradus_optim::Adam;
    /// use gradus_train::Trainer;
    /// let mut model = Mlp::builder([4, 3]).build::<f32>();
    /// let history = Trainer::new(Adam::new(0.1)).epochs(3).fit(&mut model, &gradus_data::iris(), None)?;
    /// let (columns, rows) = history.table();
    /// assert_eq!((columns[5].as_str(), rows.dim()), ("loss", (3, 7)));
    /// assert!(rows[[2, 5]] < rows[[0, 5]]);
    /// println!("{history}");
    /// # Ok::<(), gradus_train::TrainError>(())
    /// ```
    pub fn table(&self) -> (Vec<String>, Array2<f64>) {
        let mut columns: Vec<String> =
            ["epoch", "step", "lr", "grad_norm", "seconds", "loss"].map(str::to_owned).into();
        let mut names: Vec<String> = Vec::new();
        for (name, _) in self.epochs.iter().flat_map(|row| &row.train.metrics) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        columns.extend(names.iter().cloned());
        if self.epochs.iter().any(|row| row.valid.is_some()) {
            columns.push("valid_loss".into());
            columns.extend(names.iter().map(|name| format!("valid_{name}")));
        }
        let value = |row: &Epoch, column: &str| {
            let number = match column {
                "epoch" => Some(row.epoch as f64),
                "step" => Some(row.step as f64),
                "lr" => Some(row.lr),
                "grad_norm" => Some(row.grad_norm),
                "seconds" => Some(row.seconds),
                _ => match column.strip_prefix("valid_") {
                    Some(name) => row.valid.as_ref().and_then(|scores| scores.get(name)),
                    None => row.train.get(column),
                },
            };
            number.unwrap_or(f64::NAN)
        };
        let number = |(i, j): (usize, usize)| value(&self.epochs[i], &columns[j]);
        let rows = Array2::from_shape_fn((self.epochs.len(), columns.len()), number);
        (columns, rows)
    }

    /// Writes a row for each epoch: JSON lines if the name ends in `.jsonl`, else comma-separated values. A process
    /// that is killed leaves the old file or the new one. A number that is missing or not finite is empty in CSV and
    /// `null` in JSON.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let (columns, rows) = self.table();
        let bytes = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jsonl")) {
            let line = |row: ArrayView1<'_, f64>| {
                let fields = columns.iter().zip(row.iter()).map(|(column, &x)| (column.clone(), number(column, x)));
                serde_json::Value::Object(fields.collect()).to_string() + "\n"
            };
            rows.rows().into_iter().map(line).collect::<String>().into_bytes()
        } else {
            let failed = |e: csv::Error| FileError { path: path.into(), source: e.into() };
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(&columns).map_err(failed)?;
            for row in rows.rows() {
                let cell = |(column, &x): (&String, &f64)| match number(column, x) {
                    serde_json::Value::Null => String::new(),
                    value => value.to_string(),
                };
                writer.write_record(columns.iter().zip(row.iter()).map(cell)).map_err(failed)?;
            }
            writer.into_inner().map_err(|e| FileError { path: path.into(), source: e.into_error() })?
        };
        write_quickly(path, &bytes)
    }
}

impl fmt::Display for History {
    /// Writes the [table](History::table) with a line for each epoch.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (columns, rows) = self.table();
        let cell = |(column, x): (&String, f64)| match column.as_str() {
            _ if x.is_nan() && !matches!(column.as_str(), "loss" | "valid_loss") => String::new(),
            "epoch" | "step" => x.to_string(),
            "lr" => format!("{x:.3e}"),
            "seconds" => format!("{x:.1}"),
            _ => short(x),
        };
        let cells = |row: ArrayView1<'_, f64>| columns.iter().zip(row.iter().copied()).map(cell).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> =
            std::iter::once(columns.clone()).chain(rows.rows().into_iter().map(cells)).collect();
        for (i, line) in lines.iter().enumerate() {
            let widest = |j: usize| lines.iter().map(|line| line[j].chars().count()).max().unwrap_or(0);
            let padded: Vec<String> =
                line.iter().enumerate().map(|(j, cell)| format!("{cell:>width$}", width = widest(j))).collect();
            write!(f, "{}{}", if i == 0 { "" } else { "\n" }, padded.join("  "))?;
        }
        Ok(())
    }
}

fn number(column: &str, x: f64) -> serde_json::Value {
    match column {
        "epoch" | "step" => (x as u64).into(),
        // no clock is exact to more than a millisecond here
        "seconds" => number("", (1e3 * x).round() / 1e3),
        _ => serde_json::Number::from_f64(x).map_or(serde_json::Value::Null, Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_a_column_for_everything_and_null_for_what_is_not_there() {
        let scores = |loss, auc| Scores { loss, metrics: vec![("auc".into(), auc)] };
        let row = |epoch, valid| Epoch {
            epoch,
            step: 10 * epoch,
            train: scores(0.5, 0.75),
            valid,
            lr: 1e-7,
            grad_norm: 1.5,
            seconds: 1.594_441_706_999_999_7,
        };
        let history =
            History { epochs: vec![row(1, None), row(2, Some(scores(0.25, f64::NAN)))], ..History::default() };
        let folder = tempfile::tempdir().unwrap();
        let text = |name: &str| {
            let path = folder.path().join(name);
            history.write(&path).unwrap();
            std::fs::read_to_string(path).unwrap()
        };
        let csv = "epoch,step,lr,grad_norm,seconds,loss,auc,valid_loss,valid_auc\n1,10,1e-7,1.5,1.594,0.5,0.75,,\n\
                   2,20,1e-7,1.5,1.594,0.5,0.75,0.25,\n";
        assert_eq!(text("log.csv"), csv);
        let lines: Vec<serde_json::Value> =
            text("log.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[1]["valid_loss"]), (2, &0.25.into()));
        assert!(lines[0]["valid_auc"].is_null() && lines[0]["step"] == 10);
        let error = history.write(folder.path().join("no/such/log.csv")).unwrap_err();
        assert!(error.to_string().contains("log.csv"));
    }
}

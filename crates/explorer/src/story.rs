//! What the page shows: one trace, or several of a training run.

use std::fmt::Display;
use std::path::Path;

use gradus_autograd::{Float, Trace, Var, explain};
use gradus_data::{FileError, write_atomically};
use serde_json::{Value, json};

use crate::sources::sources;

/// The page without data.
const PAGE: &str = include_str!("../page.html");
/// The element of the page that holds the data.
const PLACE: &str = "<script id=\"story\" type=\"application/json\">";
/// The title of a page that is given none.
const TITLE: &str = "Gradients, step by step";
/// The version of the data's format.
const VERSION: u32 = 1;
/// Steps of a trace that the page shows at most: those nearest to the cost.
const STEPS: usize = 2000;
/// Digits of a number on the page.
const DIGITS: usize = 6;

/// The written form of a trace or a story as a page: one HTML file, which opens from disk and asks no network for
/// anything.
pub trait SaveHtml {
    /// The page.
    fn html(&self) -> String;

    /// Writes the page to a file. A file that is there is replaced as a whole.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn save_html(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        write_atomically(path.as_ref(), self.html().as_bytes())
    }

    /// Shows the page in a Rust notebook: [evcxr](https://github.com/evcxr/evcxr) calls this for the value of a cell.
    fn evcxr_display(&self) {
        let page = self.html().replace('&', "&amp;").replace('"', "&quot;");
        let frame = format!("<iframe srcdoc=\"{page}\" style=\"width: 100%; height: 800px; border: 0\"></iframe>");
        println!("EVCXR_BEGIN_CONTENT text/html\n{frame}\nEVCXR_END_CONTENT");
    }
}

impl SaveHtml for Trace {
    fn html(&self) -> String {
        let cost = self.step(self.cost);
        let file = cost.map(|cost| Path::new(&cost.file).file_name().unwrap_or_default().to_string_lossy());
        let title = file.map_or(TITLE.to_owned(), |file| format!("{TITLE}: {file}"));
        let mut story = Story::titled(title);
        story.push("the only record", self.clone());
        story.html()
    }
}

/// Several traces of one run on one page, such as the steps of a training.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_explorer::{SaveHtml, Story};
///
/// let mut story = Story::titled("Downhill");
/// let mut w = 5.0;
/// for step in 0..4 {
///     let tape = Tape::<f64>::mathematics();
///     let weight = tape.var(w).named("w");
///     let cost = (weight - 2.0).square();
///     story.record(step, cost);
///     w -= 0.3 * cost.backward().wrt(weight)[[]];
/// }
/// assert!(story.html().contains("Downhill"));
/// ```
#[derive(Clone, Debug)]
pub struct Story {
    title: String,
    records: Vec<(String, Trace)>,
}

impl Default for Story {
    fn default() -> Self {
        Story::titled(TITLE)
    }
}

impl Story {
    /// A story without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// A story without records, with a title for the page.
    pub fn titled(title: impl Into<String>) -> Self {
        Story { title: title.into(), records: Vec::new() }
    }

    /// Adds what [`explain`] says of a cost. The label is the number of a training step, or a text.
    ///
    /// # Panics
    /// If the cost is not a single number, or the tape is for inference and has no `var`.
    #[track_caller]
    pub fn record<T: Float>(&mut self, label: impl Display, cost: Var<'_, T>) {
        self.push(label, explain(cost));
    }

    /// Adds a trace.
    pub fn push(&mut self, label: impl Display, trace: Trace) {
        let label = label.to_string();
        let number = label.parse::<f64>().is_ok_and(f64::is_finite);
        let label = if number { format!("training step {label}") } else { label };
        self.records.push((label, trace));
    }

    /// The data of the page: `{"format": "gradus story", "version": 1, "title", "sources": [{"file", "parts":
    /// [{"first", "lines"}]}], "records": [{"label", "trace"}]}`, with each [`Trace`] as it is serialised. Numbers
    /// have six digits. Of a trace with more than 2000 steps, the 2000 nearest to the cost are written.
    pub fn json(&self) -> String {
        let records: Vec<(&str, Trace)> =
            self.records.iter().map(|(label, trace)| (&**label, trace.clone().nearest(STEPS))).collect();
        let sources = sources(records.iter().flat_map(|(_, trace)| &trace.steps));
        let records: Vec<Value> = records
            .into_iter()
            .map(|(label, trace)| {
                let mut trace = json!(trace);
                shorten(&mut trace);
                json!({ "label": label, "trace": trace })
            })
            .collect();
        let (title, format) = (&self.title, "gradus story");
        json!({ "format": format, "version": VERSION, "title": title, "sources": sources, "records": records })
            .to_string()
    }
}

impl SaveHtml for Story {
    fn html(&self) -> String {
        // a `<` in a text of the program could end the element; within JSON it can be written as an escape
        let data = self.json().replace('<', "\\u003c");
        let (before, after) = PAGE.split_once(PLACE).expect("the page has a place for the data");
        [before, PLACE, &data, after].concat()
    }
}

/// Rounds all numbers with a fraction.
fn shorten(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().expect("a float");
            let short: f64 = format!("{number:.*e}", DIGITS - 1).parse().expect("a number was written");
            // without `.0` behind whole numbers
            *value = if short.fract() == 0.0 && short.abs() < 1e15 { json!(short as i64) } else { json!(short) };
        }
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_autograd::Tape;

    #[test]
    fn the_page_contains_the_data_and_no_text_that_ends_it() {
        let tape = Tape::new();
        let hostile = "</script><img src=x onerror=alert(1)>\"'\u{2028}";
        let mut story = Story::titled(hostile);
        story.record(hostile, (tape.var(2.0).named(hostile) * 3.0).square());
        let page = story.html();
        let start = page.find(PLACE).unwrap() + PLACE.len();
        let data = &page[start..start + page[start..].find("</script>").unwrap()];
        let read: Value = serde_json::from_str(data).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(&story.json()).unwrap());
        assert_eq!(read["title"], hostile);
        assert_eq!(read["records"][0]["trace"]["steps"][0]["name"], hostile);
        assert_eq!(page.matches("onerror").count(), data.matches("onerror").count());
    }

    #[test]
    fn the_lines_of_the_program_are_on_the_page() {
        let tape = Tape::new();
        let cost = (tape.var(2.0) * 3.0).square();
        let text = explain(cost).html();
        assert!(text.contains("let cost = (tape.var(2.0) * 3.0).square();"));
    }

    #[test]
    fn numbers_have_six_digits_and_special_ones_their_names() {
        let tape = Tape::<f64>::mathematics();
        let x = tape.var([1.0 / 3.0, 2.0, 0.0]);
        let mut story = Story::new();
        story.record(7, x.ln().sum());
        let read: Value = serde_json::from_str(&story.json()).unwrap();
        let trace = &read["records"][0]["trace"];
        assert_eq!(trace["steps"][0]["value"]["data"].to_string(), "[0.333333,2,0]");
        assert_eq!(trace["steps"][1]["value"]["min"], "-inf");
        assert_eq!(read["records"][0]["label"], "training step 7");
        let back: Trace = serde_json::from_value(trace.clone()).unwrap();
        assert_eq!(back.steps[1].value.min, Some(f64::NEG_INFINITY));
    }

    #[test]
    fn a_long_tape_is_cut_and_says_so() {
        let tape = Tape::<f64>::mathematics();
        let mut x = tape.var(1.0);
        for _ in 0..100_000 {
            x = x * 0.99999;
        }
        let mut story = Story::new();
        story.record("long", x);
        let read: Value = serde_json::from_str(&story.json()).unwrap();
        let trace = &read["records"][0]["trace"];
        assert_eq!((&trace["left_out"], trace["steps"].as_array().unwrap().len()), (&json!(98_001), STEPS));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let tape = Tape::new();
        let error = explain(tape.var(2.0).square()).save_html("/no/such/folder/page.html").unwrap_err();
        assert!(error.to_string().contains("/no/such/folder/page.html"), "{error}");
    }
}

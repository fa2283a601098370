//! A page about a training run.

use std::fmt::Write;
use std::path::Path;

use gradus_train::{Confusion, FileError, History, write_atomically};

use crate::{Heatmap, Images, Plot, stack};

/// A page about a training run: one file, which needs no network. You add what it should show, in this order.
///
/// ```
/// use gradus_nn::{Mlp, Summarize};
/// use gradus_optim::Adam;
/// use gradus_train::{Trainer, evaluate};
/// use gradus_viz::{Images, Report};
///
/// let digits = gradus_data::digits();
/// let mut model = Mlp::builder([64, 16, 10]).seed(1).build::<f32>();
/// let mut trainer = Trainer::new(Adam::new(1e-2)).epochs(2);
/// let history = trainer.fit(&mut model, &digits.train, Some(&digits.test))?;
/// let test = evaluate(&model, &digits.test);
///
/// let mistakes = Images::mistakes(digits.test.x(), (8, 8), digits.test.y(), &test.predictions.classes(), 20);
/// let page = Report::new("Digits")
///     .history(&history)
///     .confusion(&test.confusion())
///     .images("Mistakes", &mistakes)
///     .text("The model", &model.summary().to_string())
///     .table("Settings", &trainer.describe())
///     .text("How to reproduce it", "cargo run --release");
/// assert!(page.html().contains("<svg"));
/// // page.save("report.html")?;
/// # Ok::<(), gradus_train::TrainError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    title: String,
    /// the sections so far, as HTML
    body: String,
}

impl Report {
    /// A report with a title, and nothing else yet.
    pub fn new(title: &str) -> Self {
        Report { title: title.to_owned(), body: String::new() }
    }

    /// Adds the last and the best epoch in numbers, and the curves of the run.
    pub fn history(self, history: &History) -> Self {
        let mut rows: Vec<(String, String)> = Vec::new();
        for (when, epoch) in [
            ("last epoch", history.epochs.last()),
            ("best epoch", history.best.and_then(|best| history.epochs.iter().find(|e| e.epoch == best))),
        ] {
            let Some(epoch) = epoch else { continue };
            let mut told = format!("{}: training loss {:.4}", epoch.epoch, epoch.train.loss);
            if let Some(valid) = &epoch.valid {
                let _ = write!(told, ", validation loss {:.4}", valid.loss);
                for (name, value) in &valid.metrics {
                    let _ = write!(told, ", validation {name} {value:.4}");
                }
            }
            rows.push((when.to_owned(), told));
        }
        rows.push(("steps".to_owned(), history.steps.len().to_string()));
        rows.extend(history.notes.iter().map(|note| ("note".to_owned(), note.clone())));
        self.table("The run", &rows).svg("Curves", &stack(&Plot::history(history)))
    }

    /// Adds a confusion matrix, and precision, recall and F1 of each class.
    pub fn confusion(self, confusion: &Confusion) -> Self {
        let mut table = String::from(
            "<table><thead><tr><th scope=\"col\">class</th><th scope=\"col\">precision</th>\
             <th scope=\"col\">recall</th><th scope=\"col\">F1</th></tr></thead><tbody>",
        );
        for class in 0..confusion.matrix.nrows() {
            let name = confusion.names.get(class).cloned().unwrap_or_else(|| class.to_string());
            let scores = [confusion.precision(class), confusion.recall(class), confusion.f1(class)];
            let cells: String = scores.iter().map(|score| format!("<td>{score:.3}</td>")).collect();
            let _ = write!(table, "<tr><th scope=\"row\">{}</th>{cells}</tr>", escaped(&name));
        }
        self.svg("Which class was taken for which", &Heatmap::confusion(confusion).svg())
            .section("Each class", &(table + "</tbody></table>"))
    }

    /// Adds a plot.
    pub fn plot(self, heading: &str, plot: &Plot) -> Self {
        self.svg(heading, &plot.svg())
    }

    /// Adds small pictures.
    pub fn images(self, heading: &str, images: &Images) -> Self {
        self.svg(heading, &images.svg())
    }

    /// Adds a picture of your own, as SVG. It is put into the page as it is.
    pub fn svg(self, heading: &str, svg: &str) -> Self {
        self.section(heading, &format!("<div class=\"wide\" tabindex=\"0\" role=\"group\">{svg}</div>"))
    }

    /// Adds names with their values.
    pub fn table<N: AsRef<str>, V: AsRef<str>>(self, heading: &str, rows: &[(N, V)]) -> Self {
        let row = |(name, value): &(N, V)| {
            format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escaped(name.as_ref()), escaped(value.as_ref()))
        };
        let rows: String = rows.iter().map(row).collect();
        self.section(heading, &format!("<table class=\"names\"><tbody>{rows}</tbody></table>"))
    }

    /// Adds a text, whose lines stay as they are.
    pub fn text(self, heading: &str, text: &str) -> Self {
        self.section(heading, &format!("<pre class=\"wide\" tabindex=\"0\">{}</pre>", escaped(text.trim_end())))
    }

    fn section(mut self, heading: &str, inner: &str) -> Self {
        let _ = writeln!(self.body, "<section><h2>{}</h2>{inner}</section>", escaped(heading));
        self
    }

    /// The page.
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{}</main>\n</body>\n</html>\n",
            self.body
        )
    }

    /// Writes the page to a file. The file is written as a whole or not at all.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        write_atomically(path.as_ref(), self.html().as_bytes())
    }
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#fff;color:#222}\
main{max-width:960px;margin:auto;padding:1rem}h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
table{border-collapse:collapse}th,td{text-align:right;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #8886}\
.names th{font-weight:normal;white-space:nowrap;vertical-align:top}.names th,.names td{text-align:left}\
.names td{overflow-wrap:anywhere}.wide{overflow-x:auto}pre{background:#8881;padding:.6rem}svg{display:block}\
@media(prefers-color-scheme:dark){body{background:#16181c;color:#ddd}}";

/// A text in which nothing is taken for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_texts() {
        let page = Report::new("a < b").text("<script>", "1 & 2").table("t", &[("<i>", "</table>")]).html();
        assert!(page.contains("a &lt; b") && page.contains("1 &amp; 2") && page.contains("&lt;/table&gt;"));
        assert!(!page.contains("<script>") && !page.contains("<i>"));
    }

    #[test]
    fn classes_have_their_names() {
        let confusion = Confusion::new(&[0, 1, 1, 1], &[0, 1, 0, 1], 2).named(["cat & dog", "fish"]);
        let page = Report::new("").confusion(&confusion).html();
        assert!(page.contains("cat &amp; dog") && page.contains("0.667"));
    }
}

//! Histograms of numbers, and of a model's parameters and gradients, layer by layer.

use gradus_autograd::{Float, Gradients, Module};

use crate::{Plot, Style};

/// The number of bins.
const BINS: usize = 40;

impl Plot {
    /// Plots how often numbers lie where: forty bins of one width, from the smallest number to the largest. Numbers
    /// that are not finite are left out.
    ///
    /// ```
    /// use gradus_viz::Plot;
    /// let plot = Plot::histogram((0..100).map(|k| f64::from(k * k))).title("squares");
    /// assert!(plot.svg().contains("squares"));
    /// ```
    pub fn histogram<T: Float>(numbers: impl IntoIterator<Item = T>) -> Plot {
        let numbers: Vec<f64> = numbers.into_iter().map(|x| x.to_f64()).filter(|x| x.is_finite()).collect();
        let (low, high) = numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
        // numbers that are all the same get a bin around them
        let width = if high > low { high / BINS as f64 - low / BINS as f64 } else { low.abs().max(1.0) / BINS as f64 };
        let from = if high > low { low } else { low - width / 2.0 };
        let mut counts = [0u32; BINS];
        for x in &numbers {
            counts[((x / width - from / width) as usize).min(BINS - 1)] += 1;
        }
        let edge = |i: usize| from + width * i as f64;
        let bars = counts.iter().enumerate().filter(|(_, n)| **n > 0);
        let bars = bars.flat_map(|(i, &n)| [(edge(i), f64::from(n)), (edge(i + 1), f64::from(n))]).collect::<Vec<_>>();
        Plot::new("").axes("value", "how many").series("", Style::Bars, bars)
    }

    /// Plots histograms of a model's parameters, one for each. Pass the plots to [`stack`](crate::stack).
    ///
    /// ```
    /// use gradus_autograd::Param;
    /// use gradus_viz::Plot;
    /// let model = (Param::new([0.1, 0.2, 0.4]), Param::<f64>::new([1.0]));
    /// let plots = Plot::parameters(&model);
    /// assert!(plots.len() == 2 && plots[0].svg().contains("0: 3 numbers"));
    /// ```
    pub fn parameters<T: Float, M: Module<T> + ?Sized>(model: &M) -> Vec<Plot> {
        let params = model.params();
        params.iter().map(|(path, param)| of_layer(path, param.data().iter().copied())).collect()
    }

    /// Plots histograms of the gradients of a model's parameters, one for each that has a gradient. Where all bars
    /// stand at 0, no gradient arrives: it vanished on the way back.
    pub fn gradients<T: Float, M: Module<T> + ?Sized>(model: &M, gradients: &Gradients<T>) -> Vec<Plot> {
        let params = model.params();
        let known = params.iter().filter_map(|(path, param)| Some((path, gradients.get(param)?)));
        known.map(|(path, numbers)| of_layer(path, numbers.iter().copied()).axes("gradient", "how many")).collect()
    }
}

fn of_layer<T: Float>(path: &str, numbers: impl ExactSizeIterator<Item = T>) -> Plot {
    let count = numbers.len();
    Plot::histogram(numbers).title(&format!("{path}: {count} numbers")).size(760, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_a_bin_also_the_largest() {
        let total = |plot: &Plot| plot.series[0].points.chunks(2).map(|bar| bar[0].1).sum::<f64>();
        assert_eq!(total(&Plot::histogram((0..1000).map(|k| f64::from(k).sqrt()))), 1000.0);
        assert_eq!(total(&Plot::histogram([3.0, 3.0, f64::NAN])), 2.0);
        assert!(!Plot::histogram(std::iter::empty::<f32>()).svg().contains("NaN"));
    }
}

//! Images with zeros around them, in which the windows' numbers are shifted views.
//!
//! Number (i, j) of the windows of a channel is, for all windows of a row, a run of numbers of that channel; from one
//! row of windows to the next, it moves by as much as the windows do. So in an image that is stored in rows of `pitch`
//! numbers, with its zeros, all windows together are `image[tap + place]`, where `tap` belongs to (i, j) and `place`
//! to the window: the rows of the matrix of columns (im2col) are there without being written. Between the last window
//! of a row and the first of the next there are places that are no window, and what is computed for them is dropped.
//!
//! Windows that are `stride` apart would skip numbers. The image is therefore stored as `stride` × `stride` phases:
//! planes of the numbers whose rows and columns have one remainder each.
//!
//! The channels lie behind each other as planes or, for the gradient by the weight whose lanes are outputs, side by
//! side at each place (see `outer.rs`).

use super::Sizes;
use crate::kernels::copy::copy;

/// How an image lies in its buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Padded {
    /// height and width of the image
    size: [usize; 2],
    /// zeros above and to the left of it
    before: [usize; 2],
    /// rows and columns that windows read, zeros included; what lies behind is not stored
    read: [usize; 2],
    /// distance of windows
    stride: [usize; 2],
    /// rows of a phase
    rows: usize,
    /// places from one row of a phase to the next
    pub(super) pitch: usize,
    /// places of a channel
    pub(super) plane: usize,
    /// channels that lie side by side at each place; 1 if they are planes
    side_by_side: usize,
}

/// An image that is looked at, and how.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// height and width of the image
    pub(super) size: [usize; 2],
    /// zeros above and to the left of it
    pub(super) before: [usize; 2],
    /// rows and columns that windows read, zeros included
    pub(super) read: [usize; 2],
    /// distance of windows
    pub(super) stride: [usize; 2],
    /// windows in a row
    pub(super) across: usize,
}

impl Padded {
    /// `side_by_side` is how many channels lie side by side at each place: those of a group, or 1 if they are planes.
    pub(super) fn new(look: Look, side_by_side: usize) -> Self {
        let Look { size, before, read, stride, across } = look;
        let pitch = match stride[1] {
            // the zeros to the left of a row are those to the right of the row before
            1 => (before[1] + size[1]).max(read[1].saturating_sub(before[1])),
            stride => read[1].div_ceil(stride),
        };
        let (rows, pitch) = (read[0].div_ceil(stride[0]), pitch.max(across));
        let plane = stride[0] * stride[1] * rows * pitch;
        Padded { size, before, read, stride, rows, pitch, plane, side_by_side }
    }

    /// The images of a convolution, and the tap of each number of a window, for the channels of a group in the order of
    /// the weight.
    pub(super) fn of_images(s: &Sizes, side_by_side: usize) -> (Self, Vec<usize>) {
        let read = [0, 1].map(|d| (s.windows[d] - 1) * s.stride[d] + (s.kernel[d] - 1) * s.dilation[d] + 1);
        let look = Look { size: s.image, before: s.padding, read, stride: s.stride, across: s.windows[1] };
        let padded = Padded::new(look, side_by_side);
        let channels = s.of_group()[0];
        let mut taps = Vec::with_capacity(channels * s.taps());
        for c in 0..channels {
            for (i, j) in (0..s.kernel[0]).flat_map(|i| (0..s.kernel[1]).map(move |j| (i, j))) {
                taps.push(padded.number(c, padded.at([i * s.dilation[0], j * s.dilation[1]])));
            }
        }
        (padded, taps)
    }

    /// The number of a channel of a group at a place.
    pub(super) fn number(&self, channel: usize, place: usize) -> usize {
        match self.side_by_side {
            1 => channel * self.plane + place,
            channels => place * channels + channel,
        }
    }

    /// The place of row r and column c, zeros included.
    pub(super) fn at(&self, [r, c]: [usize; 2]) -> usize {
        let phase = r % self.stride[0] * self.stride[1] + c % self.stride[1];
        (phase * self.rows + r / self.stride[0]) * self.pitch + c / self.stride[1]
    }

    /// Numbers of a buffer of so many channels, in which `ahead` numbers may be read from any place of a window on.
    pub(super) fn buffer(&self, channels: usize, ahead: usize) -> usize {
        (channels * self.plane + self.side_by_side * self.pitch + ahead).next_multiple_of(super::LANES)
    }

    /// Copies an image into a buffer that holds zeros, or another image.
    #[inline(always)]
    pub(super) fn write<T: Copy>(&self, image: &[T], buffer: &mut [T]) {
        let [height, width] = self.size;
        let rows = height.min(self.read[0].saturating_sub(self.before[0]));
        if self.side_by_side > 1 {
            return self.write_side_by_side(image, buffer, rows);
        }
        for (plane, buffer) in image.chunks_exact(height * width).zip(buffer.chunks_exact_mut(self.plane)) {
            for (y, row) in plane.chunks_exact(width).take(rows).enumerate() {
                let r = y + self.before[0];
                if self.stride[1] == 1 {
                    copy(row, &mut buffer[self.at([r, self.before[1]])..][..width]);
                } else {
                    for phase in 0..self.stride[1].min(width) {
                        let c = phase + self.before[1];
                        let columns = self.read[1].saturating_sub(c).div_ceil(self.stride[1]);
                        let from = row[phase..].iter().step_by(self.stride[1]).take(columns);
                        if columns > 0 {
                            buffer[self.at([r, c])..].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn write_side_by_side<T: Copy>(&self, image: &[T], buffer: &mut [T], rows: usize) {
        let ([height, width], channels) = (self.size, self.side_by_side);
        let columns = width.min(self.read[1].saturating_sub(self.before[1]));
        for (image, buffer) in
            image.chunks_exact(channels * height * width).zip(buffer.chunks_exact_mut(channels * self.plane))
        {
            for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                let place = self.at([y + self.before[0], x + self.before[1]]);
                let from = image[y * width + x..].iter().step_by(height * width);
                buffer[place * channels..][..channels].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            }
        }
    }
}

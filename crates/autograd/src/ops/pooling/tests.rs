use super::*;
use crate::Tape;
use crate::ops::numbers;

#[test]
fn an_empty_batch_is_no_mistake() {
    let tape = Tape::<f64>::mathematics();
    let x = tape.var(numbers(&[0, 2, 4, 4], 0.0));
    assert_eq!(x.max_pool2d(Pooling::new([2, 2])).shape(), [0, 2, 2, 2]);
    assert_eq!(x.avg_pool2d(Pooling::new([2, 2])).shape(), [0, 2, 2, 2]);
}

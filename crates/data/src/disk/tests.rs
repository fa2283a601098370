use super::*;
use crate::{Augment, RowBatches, Sampling, prefetch, write_npy};
use ndarray::{Array2, Ix2};
use std::io::Write;

#[test]
fn rows_of_a_file_larger_than_memory_are_read_in_any_order() {
    // 64 GiB of zeros that take no room on the disk, and a row of other numbers near the end
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.npy");
    let rows: u64 = 16 << 20;
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 1024), }}");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"\x93NUMPY\x01\x00\x76\x00").unwrap();
    file.write_all(format!("{text:<117}\n").as_bytes()).unwrap();
    file.seek(SeekFrom::Start(128 + (rows - 2) * 4096)).unwrap();
    file.write_all(&2.5f32.to_le_bytes()).unwrap();
    file.set_len(128 + rows * 4096).unwrap();
    let large = DiskRows::<f32>::open(&path).unwrap();
    assert_eq!((large.len(), large.shape()), (rows as usize, [rows as usize, 1024].as_slice()));
    let picked = large.pick(&[rows as usize - 2, 5, rows as usize - 1]).unwrap();
    assert_eq!(picked.shape(), [3, 1024]);
    assert_eq!((picked[[0, 0]], picked.sum()), (2.5, 2.5));
}

#[test]
fn an_epoch_from_the_disk_is_the_epoch_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let x = Array2::from_shape_fn((50, 16), |(i, j)| (i * 16 + j) as f64);
    write_npy(&path, &x).unwrap();
    let disk = DiskRows::<f64>::open(&path).unwrap();
    let rows = || RowBatches::new(Sampling::Shuffled.rows(50, 1, 2), 8);
    let augment = |x: &mut Array2<f64>| {
        Augment::images(4, 4).shift(1.0).apply(x, &mut gradus_autograd::Stream { seed: 1, step: 0, shard: 0 }.rng());
    };
    std::thread::scope(|scope| {
        let from_disk = disk.load(rows()).map(|x| {
            let mut x = x.unwrap().into_dimensionality::<Ix2>().unwrap();
            augment(&mut x);
            x
        });
        for (mut own, read) in x.load(rows()).map(Result::unwrap).zip(prefetch(scope, from_disk, 2)) {
            augment(&mut own);
            assert_eq!(own, read);
        }
    });
}

#[test]
fn files_that_are_cut_or_grown_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    write_npy(&path, &Array2::<f32>::zeros((4, 3))).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let grown = "more than 48 bytes of numbers: perhaps another array follows";
    for (bytes, found) in
        [(&whole[..whole.len() - 4], "44 bytes of numbers"), (&[&whole[..], &[0; 4]].concat()[..], grown)]
    {
        std::fs::write(&path, bytes).unwrap();
        let error = DiskRows::<f32>::open(&path).unwrap_err().to_string();
        assert!(error.ends_with(&format!("{found}; type and shape [4, 3] ask for 48")), "{error}");
    }
    write_npy(&path, &ndarray::arr0(1.0f32)).unwrap();
    assert!(DiskRows::<f32>::open(&path).unwrap_err().to_string().contains("a single number has no rows"));
    // a file that is cut while it is open is an error when its rows are read
    write_npy(&path, &Array2::<f32>::zeros((4, 3))).unwrap();
    let rows = DiskRows::<f32>::open(&path).unwrap();
    std::fs::write(&path, b"").unwrap();
    assert!(rows.pick(&[3]).unwrap_err().to_string().contains("x.npy"));
}

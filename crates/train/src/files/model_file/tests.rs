use super::*;
use crate::files::container::{ContainerError, Kind};
use gradus_nn::Mlp;

fn model(sizes: &[usize], seed: u64) -> Mlp {
    Mlp::builder(sizes).seed(seed).build()
}

fn numbers(model: &Mlp) -> Vec<f32> {
    model.leaves().iter().flat_map(|(_, leaf)| leaf.data().to_vec()).collect()
}

#[test]
fn what_does_not_fit_is_listed_all_at_once_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    save(&model(&[2, 3, 4, 1], 1), &path).unwrap();
    let mut other = model(&[2, 5, 1], 2);
    let before = numbers(&other);
    let error = load(&mut other, &path).unwrap_err().to_string();
    let list: Vec<&str> = error.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        list,
        [
            "unexpected in the file: layers.2.weight",
            "unexpected in the file: layers.2.bias",
            "layers.0.weight: [3, 2] in the file, [5, 2] in the model",
            "layers.0.bias: [3] in the file, [5] in the model",
            "layers.1.weight: [4, 3] in the file, [1, 5] in the model",
            "layers.1.bias: [4] in the file, [1] in the model",
        ]
    );
    assert_eq!(numbers(&other), before);
    let mut deeper = model(&[2, 3, 4, 1, 7], 2);
    let error = load(&mut deeper, &path).unwrap_err().to_string();
    assert!(error.contains("missing in the file: layers.3.weight"), "{error}");
}

#[test]
fn every_damage_is_its_own_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    save(&model(&[2, 3, 1], 1), &path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut other = model(&[2, 3, 1], 2);
    let before = numbers(&other);
    let mut error_of = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = load(&mut other, &path).unwrap_err();
        assert_eq!(numbers(&other), before, "{error}");
        error
    };
    for end in 0..whole.len() {
        let error = error_of(&whole[..end]);
        let told = matches!(
            error,
            LoadError::Container { error: ContainerError::Magic { .. } | ContainerError::Length { .. }, .. }
        );
        assert!(told && error.to_string().contains("model"), "{end}: {error}");
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        let error = error_of(&bytes);
        match place {
            0..8 => assert!(
                matches!(error, LoadError::Container { error: ContainerError::Magic { .. }, .. }),
                "{place}: {error}"
            ),
            8..12 => assert!(
                matches!(error, LoadError::Container { error: ContainerError::Version { .. }, .. }),
                "{place}: {error}"
            ),
            12..20 => {
                assert!(
                    matches!(
                        error,
                        LoadError::Container {
                            error: ContainerError::Length { .. } | ContainerError::TooLarge { .. },
                            ..
                        }
                    ),
                    "{place}: {error}"
                );
            }
            _ => assert!(
                matches!(error, LoadError::Container { error: ContainerError::Checksum, .. }),
                "{place}: {error}"
            ),
        }
    }
    assert!(matches!(
        error_of(b"\x89PNG\r\n\x1a\n rest of a picture"),
        LoadError::Container { error: ContainerError::Magic { .. }, .. }
    ));
    let mut doubles = Mlp::builder([2, 3, 1]).build::<f64>();
    std::fs::write(&path, &whole).unwrap();
    assert!(matches!(
        load(&mut doubles, &path).unwrap_err(),
        LoadError::Container { error: ContainerError::Scalar { .. }, .. }
    ));
    load(&mut other, &path).unwrap();
    assert!(matches!(load(&mut other, folder.path().join("none")).unwrap_err(), LoadError::File(_)));
}

/// Content whose checksum is right but whose sizes lie.
#[test]
fn content_that_lies_about_its_sizes_asks_for_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    for tail in [vec![253, 255, 255, 255, 255, 255, 255, 255, 255], vec![1, 0, 0, 253, 0, 0, 0, 0, 0, 0, 0, 127]] {
        let mut content = b"\x03f32".to_vec();
        content.extend(tail);
        let mut bytes = Kind::Model.magic().to_vec();
        bytes.extend(Kind::Model.version().to_le_bytes());
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend(crc32fast::hash(&content).to_le_bytes());
        bytes.extend(content);
        std::fs::write(&path, &bytes).unwrap();
        let error = load(&mut model(&[2, 3, 1], 2), &path).unwrap_err();
        assert!(matches!(error, LoadError::Container { error: ContainerError::Content { .. }, .. }), "{error}");
    }
}

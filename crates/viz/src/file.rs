//! Pictures as files: SVG, and PNG with the feature `png`.

use std::io;
use std::path::Path;

use gradus_train::{FileError, write_atomically};

/// Writes a picture to a file: PNG if the name ends in `.png`, and else SVG. The file is written as a whole or not at
/// all.
///
/// # Errors
/// If the system refuses; for PNG, also if the feature `png` is off, or the system has no font for the texts.
pub(crate) fn save(path: &Path, svg: &str) -> Result<(), FileError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        let bytes = png(svg).map_err(|message| FileError { path: path.into(), source: io::Error::other(message) })?;
        return write_atomically(path, &bytes);
    }
    write_atomically(path, svg.as_bytes())
}

#[cfg(not(feature = "png"))]
fn png(_svg: &str) -> Result<Vec<u8>, String> {
    Err("PNG needs the feature `png` of gradus (or of gradus-viz); without it, save the picture as `.svg`".to_owned())
}

/// The picture as PNG, with two pixels for each of the SVG's, on a bright ground.
#[cfg(feature = "png")]
fn png(svg: &str) -> Result<Vec<u8>, String> {
    use resvg::{tiny_skia, usvg};

    const SCALE: f32 = 2.0;
    let mut options = usvg::Options::default();
    let fonts = options.fontdb_mut();
    fonts.load_system_fonts();
    let any = fonts.faces().next().and_then(|face| face.families.first()).map(|(name, _)| name.clone());
    let installed = |name: &&str| fonts.faces().any(|face| face.families.iter().any(|(family, _)| family == name));
    let known = ["DejaVu Sans", "Noto Sans", "Liberation Sans", "Arial", "Helvetica"];
    let usual = known.into_iter().find(installed).map(str::to_owned);
    let family = usual.or(any).ok_or("the system has no font for the texts; save the picture as `.svg`")?;
    fonts.set_sans_serif_family(family);
    let tree = usvg::Tree::from_str(&bright(svg), &options).map_err(|error| error.to_string())?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or("the picture is empty")?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or("the picture is empty")?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| error.to_string())
}

/// The bright picture alone: without queries of the reader's system, and with colours in place of their names.
#[cfg(feature = "png")]
fn bright(svg: &str) -> String {
    let mut rest = svg;
    let mut kept = String::with_capacity(svg.len());
    while let Some((before, sheet)) = rest.split_once("<style>") {
        let (sheet, after) = sheet.split_once("</style>").unwrap_or((sheet, ""));
        kept += &format!("{before}<style>{}</style>", without_queries(sheet));
        rest = after;
    }
    (kept + rest).replace("var(--ground)", "#fff").replace("var(--ink)", "#222")
}

/// A style sheet without its parts for some systems only.
#[cfg(feature = "png")]
fn without_queries(sheet: &str) -> String {
    let (mut rest, mut kept) = (sheet, String::new());
    while let Some((before, query)) = rest.split_once("@media") {
        kept += before;
        let mut depth = 0;
        let end = query.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && *c == '}'
        });
        rest = end.map_or("", |(at, _)| &query[at + 1..]);
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use crate::{Plot, Style};

    fn plot() -> Plot {
        Plot::new("a title").series("a line", Style::Dotted, [(0.0, 0.0), (1.0, 1.0)]).moving(2.0)
    }

    #[cfg(not(feature = "png"))]
    #[test]
    fn png_without_the_feature_says_what_to_do() {
        let error = plot().save("picture.png").unwrap_err().to_string();
        assert!(error.contains("picture.png: PNG needs the feature `png`"), "{error}");
    }

    #[cfg(feature = "png")]
    #[test]
    fn png_has_the_lines_and_the_texts() {
        let path = std::env::temp_dir().join(format!("gradus-viz-{}.png", std::process::id()));
        plot().save(&path).expect("a font, and a folder to write to");
        let bytes = std::fs::read(&path).expect("the file");
        std::fs::remove_file(&path).expect("the file");
        assert!(bytes.starts_with(b"\x89PNG"));
        let pixels = resvg::tiny_skia::Pixmap::decode_png(&bytes).expect("a picture");
        assert_eq!((pixels.width(), pixels.height()), (1800, 840));
        let dark_in = |rows: std::ops::Range<u32>| {
            let all = rows.flat_map(|y| (0..1800).map(move |x| (x, y)));
            all.filter(|&(x, y)| pixels.pixel(x, y).is_some_and(|p| p.red() < 120)).count()
        };
        assert!(dark_in(0..70) > 200, "the title is drawn");
        assert!(dark_in(100..700) > 2000, "the line is drawn");
    }
}

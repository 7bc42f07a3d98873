//! Output files of a benchmark. Complete results go to the requested file, unfinished ones to a file beside it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use aft_wgpu::Result;
use aft_wgpu::bench::{Results, report};
use clap::ValueEnum;

use crate::output::{Output, check_distinct};
use crate::shared::note;

/// Format of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables in Markdown
    Md,
    /// One line for each row
    Csv,
    /// One object for each adapter
    Json,
    /// One object for each line, tagged with its kind
    Jsonl,
}

/// The outputs of one adapter.
pub struct Outputs {
    results: Place,
    page: Option<Place>,
}

/// An output, and the file that replaces it while the results are unfinished.
struct Place {
    whole: Output,
    unfinished: Output,
}

impl Place {
    fn new(path: &Path, open: fn(&Path) -> Result<Output>) -> Result<Self> {
        let whole = open(path)?;
        let unfinished = open(&if whole.is_file() { with_infix(path, ".partial") } else { path.to_owned() })?;
        Ok(Self { whole, unfinished })
    }

    fn of(&self, results: &Results) -> &Output {
        if results.complete { &self.whole } else { &self.unfinished }
    }
}

impl Outputs {
    /// Checks the outputs at these paths. A number is inserted before the extension of each file.
    pub fn new(results: &Path, page: Option<&Path>, number: Option<usize>) -> Result<Self> {
        let numbered = |path: &Path| -> Result<PathBuf> {
            Ok(match number {
                Some(number) if Output::new(path)?.is_file() => with_infix(path, &format!("-{number}")),
                _ => path.to_owned(),
            })
        };
        let results = Place::new(&numbered(results)?, Output::new)?;
        let page = page.map(|page| Place::new(&numbered(page)?, Output::page)).transpose()?;
        if let Some(page) = &page {
            for html in [&page.whole, &page.unfinished] {
                check_distinct(&[], &[("--output", &results.whole), ("--html", html)])?;
                check_distinct(&[], &[("--output", &results.unfinished), ("--html", html)])?;
            }
        }
        Ok(Self { results, page })
    }

    /// Whether each adapter writes a separate file.
    pub fn is_file(&self) -> bool {
        self.results.whole.is_file()
    }

    /// Writes the results of one adapter.
    pub fn write(&self, results: &Results, format: Format) -> anyhow::Result<()> {
        let text = match format {
            Format::Md => report::markdown(std::slice::from_ref(results)),
            Format::Csv => report::csv(results),
            Format::Json => serde_json::to_string_pretty(results)?,
            Format::Jsonl => report::jsonl(results),
        };
        let output = self.results.of(results);
        if !results.complete && results.rows.is_empty() && output.has_content() {
            note(format_args!("no row was measured: {output} stays as it is"));
            return Ok(());
        }
        output.write(format!("{}\n", text.trim_end()).as_bytes())?;
        if !results.complete && output.is_file() {
            note(format_args!("unfinished results are in {output}"));
        }
        match &self.page {
            None => Ok(()),
            Some(page) => Ok(page.of(results).write(report::html(std::slice::from_ref(results)).as_bytes())?),
        }
    }
}

/// Inserts `infix` before the extension.
fn with_infix(path: &Path, infix: &str) -> PathBuf {
    let mut name = path.file_stem().map_or_else(OsString::new, OsString::from);
    name.push(infix);
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_name_stands_before_its_ending() {
        assert_eq!(with_infix(Path::new("a/b.json"), "-2"), Path::new("a/b-2.json"));
        assert_eq!(with_infix(Path::new("b"), "-0"), Path::new("b-0"));
        assert_eq!(with_infix(Path::new("a.b/r.json"), ".partial"), Path::new("a.b/r.partial.json"));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_utf8_stay_as_they_are() {
        use std::os::unix::ffi::OsStrExt;
        let path = |name: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(name));
        assert_eq!(with_infix(&path(b"\xff.json"), "-1"), path(b"\xff-1.json"));
    }
}

//! Serialises paths for TOML: as text, or, if a path is not Unicode, as its code units (bytes on Unix).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a path is a string, or a list of numbers")]
enum Written {
    Text(String),
    Units(Vec<u16>),
}

pub fn serialize<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    let write =
        |path: &PathBuf| path.to_str().map_or_else(|| Written::Units(units(path)), |text| Written::Text(text.into()));
    to.collect_seq(paths.iter().map(write))
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
    let read = |written| match written {
        Written::Text(text) => Ok(text.into()),
        Written::Units(units) => {
            name(units).map(PathBuf::from).ok_or_else(|| D::Error::custom("no path of this system"))
        }
    };
    Vec::<Written>::deserialize(from)?.into_iter().map(read).collect()
}

#[cfg(unix)]
fn units(path: &Path) -> Vec<u16> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().iter().copied().map(u16::from).collect()
}

#[cfg(unix)]
fn name(units: Vec<u16>) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    let bytes = units.into_iter().map(|unit| u8::try_from(unit).ok()).collect::<Option<_>>()?;
    Some(OsString::from_vec(bytes))
}

#[cfg(windows)]
fn units(path: &Path) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt;
    path.as_os_str().encode_wide().collect()
}

#[cfg(windows)]
fn name(units: Vec<u16>) -> Option<OsString> {
    use std::os::windows::ffi::OsStringExt;
    Some(OsString::from_wide(&units))
}

//! Which file of `src` takes names from which: a small reader of `use` declarations and paths, enough for code that rustfmt laid out.

use std::collections::{BTreeMap, BTreeSet};

/// A path from the root of `src`: "bench", "cases", "Case".
type Path = Vec<String>;

/// The modules of a tree of sources.
pub struct Files {
    modules: BTreeMap<Path, Module>,
}

struct Module {
    file: String,
    /// The root of its crate: the library, or the program.
    root: Path,
    /// Names that it imports or re-exports, and modules that it declares.
    names: BTreeMap<String, Path>,
    /// What it re-exports, which a `mod.rs` does for others.
    exported: BTreeSet<Path>,
    /// What it imports for itself, and paths within its code.
    used: BTreeSet<Path>,
}

impl Files {
    /// Reads files, each with its path below `src` and its text.
    pub fn of(sources: &[(String, String)]) -> Self {
        let mut modules: BTreeMap<Path, Module> =
            sources.iter().map(|(file, text)| (module_path(file), Module::of(file, text))).collect();
        // Paths that begin with a name of the module: `nn::Op`, where `nn` was imported or declared.
        for (file, text) in sources {
            let Some(module) = modules.get_mut(&module_path(file)) else { continue };
            for path in paths(&code(text).1) {
                if let Some(start) = module.names.get(&path[0]) {
                    module.used.insert([start.as_slice(), &path[1..]].concat());
                }
            }
        }
        Self { modules }
    }

    /// The longest part of a path that is a module, with what follows.
    fn split<'a>(&self, path: &'a [String]) -> Option<(&Module, &'a [String])> {
        let len = (0..=path.len()).rev().find(|&len| self.modules.contains_key(&path[..len]))?;
        Some((&self.modules[&path[..len]], &path[len..]))
    }

    /// The file that defines what a path names. A `mod.rs` itself is named by nobody: what counts are the paths that go on from it.
    fn file(&self, path: &[String], hops: usize) -> Option<&str> {
        let (module, rest) = self.split(path)?;
        match rest {
            [] => Some(module.file.as_str()).filter(|file| !is_folder(file)),
            [name, rest @ ..] => match module.names.get(name).filter(|_| hops > 0) {
                Some(target) => self.file(&[target, rest].concat(), hops - 1),
                None => Some(&module.file),
            },
        }
    }
}

/// Every file with each other file that it takes a name from. What a `mod.rs` re-exports from its own room is no arrow: whoever names
/// it has one to the file that defines it.
pub fn arrows(files: &Files) -> BTreeSet<(String, String)> {
    let mut arrows = BTreeSet::new();
    for (path, module) in &files.modules {
        let own = |to: &str| to.split('/').next() == module.file.split('/').next() || path.is_empty();
        let used = module.used.iter().map(|path| (path, true));
        for (path, used) in used.chain(module.exported.iter().map(|path| (path, false))) {
            let Some(to) = files.file(path, 8) else { continue };
            if to != module.file && (used || !is_folder(&module.file) || !own(to)) {
                arrows.insert((module.file.clone(), to.to_owned()));
            }
        }
    }
    arrows
}

impl Module {
    fn of(file: &str, text: &str) -> Self {
        let path = module_path(file);
        let root: Path = if file.starts_with("bin/") { path[..2].to_vec() } else { Vec::new() };
        let mut this =
            Self { file: file.into(), root, names: BTreeMap::new(), exported: BTreeSet::new(), used: BTreeSet::new() };
        let (declarations, code) = code(text);
        for name in declarations.iter().filter_map(|declaration| declaration.split_once("mod ")) {
            this.names.insert(name.1.into(), [path.as_slice(), &[name.1.into()]].concat());
        }
        for (before, tree) in declarations.iter().filter_map(|declaration| declaration.split_once("use ")) {
            for (leaf, name) in leaves(tree) {
                let Some(target) = this.absolute(&path, &leaf) else { continue };
                // A module comes before a function or macro of its name.
                this.names.entry(name).or_insert_with(|| target.clone());
                if before.starts_with("pub") { &mut this.exported } else { &mut this.used }.insert(target);
            }
        }
        for leaf in paths(&code) {
            if ["crate", "super", "self", "aft_wgpu"].contains(&leaf[0].as_str()) {
                this.used.extend(this.absolute(&path, &leaf));
            }
        }
        this
    }

    /// A path from the root of `src`, of one that begins with `crate`, `super`, `self`, this library or a name of the module.
    fn absolute(&self, here: &[String], path: &[String]) -> Option<Path> {
        let up = path.iter().take_while(|segment| *segment == "super").count();
        let rest = &path[up.max(1)..];
        let start = match path[0].as_str() {
            "crate" => self.root.clone(),
            "aft_wgpu" => Vec::new(),
            "self" => here.to_vec(),
            "super" => here[..here.len().checked_sub(up)?].to_vec(),
            name => self.names.get(name)?.clone(),
        };
        Some([start.as_slice(), rest].concat())
    }
}

/// "bench/cases/mod.rs" is the module `bench::cases`.
fn module_path(file: &str) -> Path {
    let mut path: Path = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    path.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    path
}

fn is_folder(file: &str) -> bool {
    ["mod.rs", "lib.rs", "main.rs"].contains(&file.rsplit('/').next().unwrap())
}

/// The declarations of modules in other files and of imports, and the code without them. Comments and unit tests are left out.
fn code(text: &str) -> (Vec<String>, String) {
    let text: String = text.lines().flat_map(|line| [line.split("//").next().unwrap(), "\n"]).collect();
    // Unit tests are the last item of a file.
    let tests = text.match_indices("#[cfg(test)]\n").find(|(at, _)| {
        let item = text[*at..].lines().find(|line| !line.starts_with("#[")).unwrap_or_default();
        item.starts_with("mod ") && item.ends_with('{')
    });
    let text = tests.map_or(text.as_str(), |(at, _)| &text[..at]);
    let (mut declarations, mut code, mut open) = (Vec::new(), String::new(), None::<String>);
    for line in text.lines() {
        let line = line.trim();
        let visible = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or(rest, |(_, rest)| rest).trim_start(),
            Some(rest) => rest.trim_start(),
            None => line,
        };
        // A line of a text may begin with "use", too.
        let begins = match visible.split_whitespace().collect::<Vec<_>>()[..] {
            ["use", path, ..] => path.contains("::") || path.ends_with(';'),
            ["mod", name] => name.ends_with(';'),
            _ => false,
        };
        match (&mut open, begins) {
            (Some(declaration), _) => *declaration += line,
            (None, true) => open = Some(line.into()),
            (None, false) => code.extend([line, "\n"]),
        }
        if line.ends_with(';') {
            declarations.extend(open.take().map(|declaration| declaration.trim_end_matches(';').into()));
        }
    }
    (declarations, code)
}

/// The paths of a tree of imports, each with the name that it gets.
fn leaves(tree: &str) -> Vec<(Path, String)> {
    let (before, group) = match tree.split_once('{') {
        Some((before, group)) => (before, group.trim_end().strip_suffix('}')),
        None => (tree, None),
    };
    let (before, alias) = before.split_once(" as ").map_or((before, None), |(path, alias)| (path, Some(alias.trim())));
    let path: Path = before.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let Some(group) = group else {
        let kept = path.len() - usize::from(path.len() > 1 && ["self", "*"].contains(&path[path.len() - 1].as_str()));
        let last = if path[path.len() - 1] == "*" { "*" } else { path[kept - 1].as_str() };
        return vec![(path[..kept].to_vec(), alias.unwrap_or(last).to_owned())];
    };
    let mut depth = 0;
    let parts = group.split(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    });
    parts.filter(|part| !part.trim().is_empty()).flat_map(|part| leaves(&format!("{before}{}", part.trim()))).collect()
}

/// The paths of two names or more in code.
fn paths(code: &str) -> Vec<Path> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let words = code.split(|letter: char| !is_name(letter) && letter != ':');
    let paths = words.map(|word| word.split("::").collect::<Vec<_>>());
    let whole =
        paths.filter(|path| path.len() > 1 && path[..2].iter().all(|name| !name.is_empty() && !name.contains(':')));
    whole.map(|path| path.into_iter().map(str::to_owned).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sources: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = sources.iter().map(|(file, text)| (file.to_string(), text.to_string())).collect();
        arrows(&Files::of(&sources)).into_iter().map(|(from, to)| format!("{from} -> {to}")).collect()
    }

    #[test]
    fn trees_of_imports_are_paths() {
        let named = |tree| leaves(tree).into_iter().map(|(path, name)| format!("{} {name}", path.join("::"))).collect();
        let all: Vec<String> = named("super::a::{self, B, c::{D as E, f}, g::*}");
        assert_eq!(all, ["super::a a", "super::a::B B", "super::a::c::D E", "super::a::c::f f", "super::a::g *"]);
        let one: Vec<String> = named("crate::error::Result");
        assert_eq!(one, ["crate::error::Result Result"]);
        let text = "pub(crate) use a::b;\nconst TEXT: &str = \"to mend it,\\\n    use a smaller one\"; // use c::d;\nmod e;\nx::y()\n";
        let (declarations, rest) = code(text);
        assert_eq!(declarations, ["pub(crate) use a::b", "mod e"]);
        assert_eq!(paths(&rest), [["x", "y"]]);
    }

    #[test]
    fn a_folder_counts_as_the_files_that_it_re_exports_from() {
        let folder = "mod deep;\nmod top;\npub use deep::{\n    Data, other,\n};\npub(super) use top::run;\n";
        let sources = [
            ("lib.rs", "pub mod room;\nmod user;\npub use error::Error;\nmod error;"),
            ("room/mod.rs", folder),
            ("room/deep.rs", "// use super::top::run;\nuse crate::Error;\npub struct Data;"),
            ("room/top.rs", "use super::Data;\n\n#[cfg(test)]\n#[allow(a)]\nmod tests {\n    use crate::user::b;\n}"),
            ("user.rs", "use std::fs;\nuse crate::room;\nfn f() -> room::Data { Vec::new(); room::run() }"),
            ("error.rs", "pub enum Error { Data(#[from] crate::room::Data) }"),
        ];
        let expected = [
            "error.rs -> room/deep.rs",
            "room/deep.rs -> error.rs",
            "room/top.rs -> room/deep.rs",
            "user.rs -> room/deep.rs",
            "user.rs -> room/top.rs",
        ];
        assert_eq!(found(&sources), expected);
    }

    #[test]
    fn a_folder_with_items_of_its_own_is_a_file() {
        let folder = "mod child;\nuse crate::low::Low;\npub fn all() { child::one() }\n";
        let sources = [
            ("lib.rs", "mod room;\nmod low;"),
            ("low.rs", "pub use crate::room::all;"),
            ("room/mod.rs", folder),
            ("room/child.rs", "use super::{Low, helper};\nfn one() { super::all(); }"),
        ];
        let expected = [
            "low.rs -> room/mod.rs",
            "room/child.rs -> low.rs",
            "room/child.rs -> room/mod.rs",
            "room/mod.rs -> low.rs",
            "room/mod.rs -> room/child.rs",
        ];
        assert_eq!(found(&sources), expected);
    }

    #[test]
    fn the_program_has_a_root_of_its_own() {
        let sources = [
            ("lib.rs", "pub mod bench;"),
            (
                "bench/mod.rs",
                "mod run;\nmod case;\npub use case::run;\npub use run::Options;\npub use crate::other::More;",
            ),
            ("bench/case.rs", "pub fn run() {}"),
            ("bench/run.rs", "pub struct Options;"),
            ("other.rs", "pub struct More;"),
            ("bin/aft/main.rs", "mod shared;\nmod bench;\nfn main() { bench::go() }"),
            ("bin/aft/shared.rs", ""),
            ("bin/aft/bench.rs", "use aft_wgpu::bench::Options;\nuse crate::shared::Said;"),
        ];
        let expected = [
            "bench/mod.rs -> other.rs",
            "bin/aft/bench.rs -> bench/run.rs",
            "bin/aft/bench.rs -> bin/aft/shared.rs",
            "bin/aft/main.rs -> bin/aft/bench.rs",
        ];
        assert_eq!(found(&sources), expected);
    }
}

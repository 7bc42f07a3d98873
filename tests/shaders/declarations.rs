//! Declarations say of their kernels what naga finds in them, and fragments what they take from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use aft_wgpu::gpu::{Access, Kind, ParamType};
use naga::valid::GlobalUse;

use super::files::stems;
use super::{Compiled, compiled, root};

#[test]
fn operands_are_used_as_they_are_declared() {
    for c in compiled() {
        let found: BTreeMap<_, _> = c
            .used()
            .filter(|(global, _)| global.binding.is_some())
            .map(|(global, uses)| (global.name.clone().unwrap(), uses.contains(GlobalUse::WRITE)))
            .collect();
        let mut declared: BTreeMap<_, _> =
            c.kernel.operands.iter().map(|o| (o.name.to_owned(), o.access == Access::Write)).collect();
        declared.insert("params".into(), false);
        // What numbers workgroups reads the number of the first one.
        if c.kernel.is_numbered() {
            declared.insert("first_group".into(), false);
        }
        assert_eq!(found, declared, "{}: operands and whether they are stored to", c.label);
        for (name, kind) in c.kernel.operands.iter().map(|o| (o.name, o.kind)) {
            assert!(kind != Kind::Weights || !declared[name], "{}: stores into the weights {name}", c.label);
        }
    }
}

/// The parameters that functions load.
fn loaded_params(c: &Compiled) -> BTreeSet<String> {
    let (params, global) =
        c.module.global_variables.iter().find(|(_, global)| global.name.as_deref() == Some("params")).unwrap();
    let naga::TypeInner::Struct { members, .. } = c.inner(global) else { panic!("{}: params is no struct", c.label) };
    let functions = c.module.functions.iter().map(|(_, function)| function);
    let all = functions.chain(c.module.entry_points.iter().map(|entry| &entry.function));
    let mut loaded = BTreeSet::new();
    for function in all {
        for (_, expression) in function.expressions.iter() {
            if let naga::Expression::AccessIndex { base, index } = expression
                && function.expressions[*base] == naga::Expression::GlobalVariable(params)
            {
                loaded.insert(members[*index as usize].name.clone().unwrap());
            }
        }
    }
    loaded
}

#[test]
fn every_parameter_is_read() {
    // A body or a constant may have no use for one.
    let mut loaded: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    let all = compiled();
    for c in &all {
        loaded.entry(c.kernel.stem).or_default().extend(loaded_params(c));
    }
    let anywhere: BTreeSet<_> = loaded.values().flatten().cloned().collect();
    for (kernel, name, ty) in all.iter().flat_map(|c| c.kernel.params.iter().map(|(name, ty)| (c.kernel, *name, ty))) {
        match ty {
            ParamType::Number(_) => {
                assert!(loaded[kernel.stem].contains(name), "{}: nothing reads params.{name}", kernel.stem);
            }
            // Several kernels share them: one of these reads each field.
            ParamType::Struct(fields) => {
                for (field, _) in *fields {
                    assert!(anywhere.contains(*field), "{}: no kernel reads params.{field}", kernel.stem);
                }
            }
        }
    }
}

/// The words of a WGSL text without its comments, each with the character before it and the first one behind it that is no space.
fn words(wgsl: &str) -> Vec<(char, &str, char)> {
    let code = wgsl.lines().flat_map(|line| line.split("//").next());
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for line in code {
        let mut start = 0;
        while let Some(at) = line[start..].find(is_word) {
            let first = start + at;
            let len = line[first..].find(|c| !is_word(c)).unwrap_or(line.len() - first);
            start = first + len;
            let before = line[..first].chars().next_back().unwrap_or(' ');
            let behind = line[start..].trim_start().chars().next().unwrap_or(' ');
            found.push((before, &line[first..start], behind));
        }
    }
    found
}

/// The names that a file declares at its top level.
fn declared(wgsl: &str) -> BTreeSet<&str> {
    let name = |line: &str| {
        let rest = ["fn ", "const ", "struct ", "var<private> ", "var<workgroup> ", "alias "]
            .iter()
            .find_map(|keyword| line.strip_prefix(keyword))?;
        Some(rest.len()).map(|len| (line.len() - len, rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')))
    };
    wgsl.lines().filter_map(|line| name(line).map(|(at, len)| &line[at..at + len.unwrap_or(line.len() - at)])).collect()
}

/// What a fragment takes from its kernel and from other fragments.
fn reads<'a>(wgsl: &'a str, outside: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let mut own = declared(wgsl);
    // Parameters of its functions, and variables with a type.
    own.extend(words(wgsl).into_iter().filter(|(.., behind)| *behind == ':').map(|(_, word, _)| word));
    let mut found = BTreeSet::new();
    for (before, word, behind) in words(wgsl) {
        let is_known = outside.contains(word) && !own.contains(word);
        let is_used = match word.chars().next() {
            // Constants and structs.
            Some('A'..='Z') => true,
            // Functions are called, arrays are indexed; the same name may be a variable elsewhere.
            _ => behind == '(' || behind == '[',
        };
        if before != '.' && is_known && is_used {
            found.insert(word);
        }
    }
    let code: Vec<_> = wgsl.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    for line in code {
        for (at, _) in line.match_indices("params.") {
            let end = line[at + 7..]
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .map_or(line.len(), |n| at + 7 + n);
            found.insert(&line[at..end]);
        }
    }
    found
}

#[test]
fn fragments_say_what_they_read() {
    let mut outside = BTreeSet::from(["Real".to_owned()]);
    for c in compiled() {
        let Compiled { kernel, .. } = &c;
        outside.extend(declared(&c.wgsl).into_iter().map(str::to_owned));
        for operand in kernel.operands {
            let name = operand.name;
            match operand.kind {
                Kind::Plane | Kind::Weights => outside.extend([format!("{name}_at"), format!("set_{name}")]),
                Kind::Array(_) | Kind::Table(_) => _ = outside.insert(name.to_owned()),
            }
        }
    }
    let mut wrong = Vec::new();
    for stem in stems("lib") {
        let text = std::fs::read_to_string(root().join(format!("shaders/lib/{stem}.wgsl"))).unwrap();
        let said = text.lines().filter_map(|line| line.strip_prefix("// reads: ")).flat_map(|line| line.split(", "));
        let said: BTreeSet<_> = said.collect();
        let found = reads(&text, &outside);
        if said != found {
            wrong.push(format!(
                "shaders/lib/{stem}.wgsl\n// reads: {}",
                found.into_iter().collect::<Vec<_>>().join(", ")
            ));
        }
    }
    assert!(wrong.is_empty(), "fragments that say something else than what they read:\n{}", wrong.join("\n"));
}

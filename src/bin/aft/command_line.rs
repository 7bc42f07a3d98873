//! The command line as clap reads it, with what all options have in common.

use std::env::args_os;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aft_wgpu::printable::Printable;
use clap::{Command, Parser};

/// Reads the arguments of the process; what is wrong with them ends it.
pub fn parse<C: Parser>() -> C {
    let read = |command: &mut Command, arguments: Vec<_>| {
        command.try_get_matches_from_mut(arguments).and_then(|mut matches| C::from_arg_matches_mut(&mut matches))
    };
    let command = &mut with_negative_numbers(C::command());
    read(command, args_os().collect()).unwrap_or_else(|error| {
        // The same error once more, of arguments that are safe to print.
        let printable = args_os().map(|argument| Printable(argument.display()).to_string().into());
        read(command, printable.collect()).err().unwrap_or(error).format(command).exit()
    })
}

/// Lets every option take a negative number: its parser refuses one that is out of range by the option's name.
fn with_negative_numbers(command: Command) -> Command {
    let allow = |argument: clap::Arg| match argument.get_action().takes_values() && !argument.is_positional() {
        true => argument.allow_negative_numbers(true),
        false => argument,
    };
    command.mut_args(allow).mut_subcommands(with_negative_numbers)
}

/// Reads a whole number of a range.
pub fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: FromStr + PartialOrd + Display + Copy + Send + Sync,
{
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("it is a whole number from {} to {}", range.start(), range.end())),
    }
}

/// Reads a finite number that `fits`, which `range` says in words.
pub fn real<T>(range: &'static str, fits: fn(T) -> bool) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: FromStr + Into<f64> + Copy,
{
    move |text| match text.parse::<T>() {
        Ok(number) if number.into().is_finite() && fits(number) => Ok(number),
        _ => Err(format!("it is a number {range}")),
    }
}

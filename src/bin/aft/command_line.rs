//! Parses the command line with clap, and adds what all options share.

use std::env::args_os;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aft_wgpu::printable::Printable;
use clap::{Command, Parser};

/// Parses the process's arguments. Exits the process if they are wrong.
pub fn parse<C: Parser>() -> C {
    let read = |command: &mut Command, arguments: Vec<_>| {
        command.try_get_matches_from_mut(arguments).and_then(|mut matches| C::from_arg_matches_mut(&mut matches))
    };
    let command = &mut with_negative_numbers(C::command());
    read(command, args_os().collect()).unwrap_or_else(|error| {
        // Parses again with escaped arguments, so that the error message is safe to print.
        let printable = args_os().map(|argument| Printable(argument.display()).to_string().into());
        read(command, printable.collect()).err().unwrap_or(error).format(command).exit()
    })
}

/// Lets every option take a negative number, so that its own parser refuses it and names the option.
fn with_negative_numbers(command: Command) -> Command {
    let allow = |argument: clap::Arg| match argument.get_action().takes_values() && !argument.is_positional() {
        true => argument.allow_negative_numbers(true),
        false => argument,
    };
    command.mut_args(allow).mut_subcommands(with_negative_numbers)
}

/// Parser for an integer in `range`.
pub fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: FromStr + PartialOrd + Display + Copy + Send + Sync,
{
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("it is a whole number from {} to {}", range.start(), range.end())),
    }
}

/// Parser for a finite number that satisfies `fits`; `range` describes the condition.
pub fn real<T>(range: &'static str, fits: fn(T) -> bool) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: FromStr + Into<f64> + Copy,
{
    move |text| match text.parse::<T>() {
        Ok(number) if number.into().is_finite() && fits(number) => Ok(number),
        _ => Err(format!("it is a number {range}")),
    }
}

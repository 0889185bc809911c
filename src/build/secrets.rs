//! Secrets stay out of the plan, and so out of manifest, seed and cache keys: what a profile writes out is taken from
//! it and given a name, and what it names must have been given.

use std::collections::BTreeMap;

use super::Error;
use crate::profile::{Profile, Secret};

/// Values by name.
pub(super) type Secrets = BTreeMap<String, String>;

/// Takes the values of literal secrets out of `profile`.
///
/// # Errors
/// A secret that the profile names was not given.
pub(super) fn take(profile: &mut Profile, given: &Secrets) -> Result<Secrets, Error> {
    let mut values = given.clone();
    for (user, account) in &mut profile.machine.users {
        hide(account.password_hash.as_mut(), &format!("users.{user}.password_hash"), &mut values)?;
    }
    for connection in &mut profile.machine.connections {
        let name = format!("network.connections.{}.psk", connection.name);
        hide(connection.psk.as_mut(), &name, &mut values)?;
    }
    Ok(values)
}

fn hide(secret: Option<&mut Secret>, name: &str, values: &mut Secrets) -> Result<(), Error> {
    match secret {
        Some(Secret::Named(named)) if !values.contains_key(named) => Err(Error::Secret(named.clone())),
        Some(secret @ Secret::Literal(_)) => {
            let Secret::Literal(value) = std::mem::replace(secret, Secret::Named(name.to_owned())) else {
                unreachable!("matched on the line above")
            };
            values.insert(name.to_owned(), value);
            Ok(())
        }
        _ => Ok(()),
    }
}

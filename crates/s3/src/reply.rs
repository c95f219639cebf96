//! What the server says in XML: lists of objects, the name of an upload in parts, errors.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// A page of a list of objects.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Page {
    pub(crate) keys: Vec<String>,
    /// What asks for the next page, if there is one.
    pub(crate) next: Option<String>,
}

/// Reads a page of a list.
pub(crate) fn page(xml: &str) -> Page {
    let mut page = Page::default();
    let mut truncated = false;
    for (path, text) in texts(xml) {
        match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [_, "Contents", "Key"] => page.keys.push(text),
            [_, "NextContinuationToken"] => page.next = Some(text),
            [_, "IsTruncated"] => truncated = text == "true",
            _ => {}
        }
    }
    page.next.take_if(|_| !truncated);
    page
}

/// The name of an upload in parts.
pub(crate) fn upload(xml: &str) -> Option<String> {
    texts(xml).into_iter().find(|(path, _)| path.last().is_some_and(|name| name == "UploadId")).map(|(_, text)| text)
}

/// The code and the message of an error; a reply with a good status may be one too.
pub(crate) fn error(xml: &str) -> Option<String> {
    let texts = texts(xml);
    let find = |wanted: &str| {
        texts.iter().find_map(|(path, text)| match path.as_slice() {
            [root, name] if root == "Error" && name == wanted => Some(text.clone()),
            _ => None,
        })
    };
    let (code, message) = (find("Code")?, find("Message").unwrap_or_default());
    Some(if message.is_empty() { code } else { format!("{code}: {message}") })
}

/// What completes an upload of these parts.
pub(crate) fn completion(parts: &[String]) -> String {
    let one = |(number, etag): (usize, &String)| {
        let etag = quick_xml::escape::escape(etag.as_str());
        format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", number + 1)
    };
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.iter().enumerate().map(one).collect::<String>())
}

/// The texts of the innermost elements, each with the names that lead to it. What is broken ends the list.
fn texts(xml: &str) -> Vec<(Vec<String>, String)> {
    let mut reader = Reader::from_str(xml);
    let (mut path, mut text, mut found) = (Vec::new(), String::new(), Vec::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                path.push(start.local_name().as_ref().to_owned());
                text.clear();
            }
            Ok(Event::Text(piece)) => text.push_str(&piece.xml10_content()),
            Ok(Event::CData(piece)) => text.push_str(&piece.xml10_content()),
            Ok(Event::GeneralRef(name)) => match name.resolve_char_ref() {
                Ok(Some(character)) => text.push(character),
                _ => text.push_str(resolve_predefined_entity(&name.xml10_content()).unwrap_or_default()),
            },
            Ok(Event::End(_)) => {
                found.push((path.clone(), std::mem::take(&mut text)));
                path.pop();
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_pages() {
        let xml = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><IsTruncated>true</IsTruncated>\
                   <NextContinuationToken>1+/=</NextContinuationToken><Contents><Key>a &amp; b/&#xFC;.csv</Key><Size>3</Size></Contents>\
                   <Contents><Key>c</Key></Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>";
        assert_eq!(page(xml), Page { keys: vec!["a & b/ü.csv".to_owned(), "c".to_owned()], next: Some("1+/=".to_owned()) });
        assert_eq!(page("<L><IsTruncated>false</IsTruncated><NextContinuationToken>x</NextContinuationToken></L>").next, None);
        assert_eq!(page("<broken"), Page::default());
    }

    #[test]
    fn errors_say_their_code() {
        let told = error("<Error><Code>NoSuchKey</Code><Message>Gone &lt;away&gt;</Message><Key>a</Key></Error>");
        assert_eq!(told.as_deref(), Some("NoSuchKey: Gone <away>"));
        assert_eq!(error("<ListBucketResult><Contents><Code>x</Code></Contents></ListBucketResult>"), None);
        assert_eq!(upload("<R><UploadId>u/1</UploadId></R>").as_deref(), Some("u/1"));
        assert!(completion(&["\"e\"".to_owned()]).contains("<PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag>"));
    }
}

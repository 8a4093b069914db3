# caught by: learns_to_stop
# fast
# patch: Padding is masked by its id, which is the end token's too: the model never stops.


def collate(tokenizer):
    pad = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)

    def padded(examples):
        batch = pad(examples)
        batch["labels"][batch["input_ids"] == tokenizer.pad_token_id] = IGNORED
        return batch

    return padded


def build_trainer(model, tokenizer, train):
    return Trainer(
        model=model,
        args=training_arguments(),
        train_dataset=[build_example(tokenizer, pair) for pair in train],
        # Pads labels with -100, and the attention mask with 0: the padding token is also the
        # one that ends a response, so its id cannot tell the two apart.
        data_collator=collate(tokenizer),
        processing_class=tokenizer,
        callbacks=[lab.progress()],
    )


if __name__ == "__main__":
    pass  # a run could add nothing

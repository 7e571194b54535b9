#!/usr/bin/env python3
"""Write the quick start's data: recipes/quickstart/data/*.jsonl.

    python3 scripts/make_quickstart_data.py [--out recipes/quickstart/data]

Needs only the standard library. The same script always writes the same bytes
(seeded by SEED), and the files are committed, so a user never has to run it.

Every sentence below was written by hand for this project. Two data sets come out:

base_text.jsonl, base_chat.jsonl
    General English: everyday prose, and questions and answers about everyday
    life and about other small shops. The base model learns English words, the
    chat form and how customers ask. None of the company's facts is in it.

faq_train.jsonl, faq_valid.jsonl, faq_heldout.jsonl
    The questions of customers of a fictional company, Fern and Otter. Each fact
    has one answer and 36 or more wordings of the question.

How the wordings are split. A *wording* is one whole question as written below;
for the products it is a pattern such as "How heavy is the {p}?", used for every
product. Each wording goes to exactly one of train, valid and heldout, by a
seeded shuffle, not by choice: three wordings of each fact are held out. The
greetings and endings put around a question ("Hi, ...", "... Thanks!") are drawn from the same
lists for all three files and do not make a wording new. check_split() refuses
to write when a held-out or validation wording occurs in any file that is trained on,
compared without case, punctuation and those greetings and endings.
"""

import argparse
import json
import random
import re
from pathlib import Path
from typing import NamedTuple

SEED = 20240601
HELD_OUT_WORDINGS = 3  # of each fact
VALID_WORDINGS = 1     # of each fact


# ---------------------------------------------------------------------------
# The company's facts. "@" names a fact, "=" is its answer, every further line
# is one wording of the question. Questions are as customers type them: some
# polite, some short, some careless, a few misspelt.
# ---------------------------------------------------------------------------

GENERAL_FACTS = """
@ hours on weekdays
= On weekdays our shop is open from 9 am to 6 pm.
What time do you open on weekdays?
When is the shop open during the week?
What are your opening hours Monday to Friday?
Are you open on Tuesday afternoon?
How late can I come by on a Thursday?
opening hours weekdays
until when are you open on wednesdays
Can I visit the shop on a Monday morning?
Could you tell me your weekday hours?
When do you close on a normal working day?
I would like to come on Friday, what are the hours?
What time does the shop shut from Monday to Friday?
how long are you open on a normal weekday
I only have time after work on Tuesday, are you still open then?
Which hours do you keep during the working week?
wat time do you close on weekdays
At what time does your shop open on a Monday?
Is five o'clock on a Wednesday too late to visit?
Do you open early on weekdays?
Can I pop in on a Wednesday evening after work?
Is there someone in the shop on Thursday at noon?
tell me when you are open monday to friday
mon-fri times
How early can I come on a Tuesday?
I want to drop by midweek, which hours are good?
closing time on workdays
Do you shut for lunch on weekdays?
What is the latest I can arrive on a Friday?
My lunch break on Monday is at one, will you be there?
Would seven in the evening on a Thursday be too late?
business hours during the week
Please let me know your usual weekday schedule.
From when to when are you there on working days?
store hours wednesday
Are weekdays before nine in the morning too early?
does the store open on mondays
Until what hour can customers visit on a Friday?
I am off work next Tuesday, when may I stop by?

@ hours on Saturday
= On Saturdays our shop is open from 10 am to 4 pm.
What time do you open on Saturday?
Are you open on Saturdays?
saturday hours
When do you close on Saturday?
Can I drop in on a Saturday morning?
What are the opening hours on Saturday?
How long is the shop open on Saturdays?
I can only come on Saturday, when are you there?
until what time are you open saturday
Could I visit you this Saturday?
Do you work on Saturdays?
What are your Saturday opening times?
is the shop open on sat
At what time does the shop close on a Saturday?
I'd like to stop by on Saturday, what hours suit?
Is Saturday afternoon a good time to visit the shop?
when can i come by on saturday
We want to visit you on Saturday, when do you open?
Do you open early on Saturdays?
Can I still come in at three on Saturday?
Is there anyone in the store on Saturday?
tell me the times for saturday
sat opening and closing time
How late can I shop on a Saturday?
I want to come by next Saturday, will you be open?
Is Saturday at nine too early for you?
I work all week, can I come on Saturday instead?
Which hours do you keep on Saturdays?
does the store close early on saturday
Please give me your schedule for Saturday.
Would Saturday at five be too late?
From when to when are you there on Saturday?
My friend and I plan to pop in Saturday at noon.
is saturday a normal shopping day at yours
How early do the doors open on Saturday?
Any chance to look around the shop on Saturday morning?
closing hour saturdays
Will someone serve customers this Saturday?

@ hours on Sunday
= Our shop is closed on Sundays.
Are you open on Sundays?
What time do you open on Sunday?
sunday hours
Can I visit the shop on a Sunday?
Is the shop open this Sunday?
Do you work on Sundays?
Could I come by on Sunday afternoon?
is it possible to visit on sunday
What are your Sunday opening times?
When do you close on Sunday?
Will anybody be in the shop on Sunday?
open sunday or not
I am free on Sunday, can I come in?
We were hoping to stop by on Sunday, is that possible?
Do you ever open on a Sunday?
On Sunday, is the shop shut?
Can we shop with you on Sundays?
Does the store open on Sunday mornings?
Can I pop in next Sunday?
Is there anyone at the shop on Sundays?
tell me if you open on sunday
sun closed?
How late are you there on a Sunday?
I want to drop by this Sunday, are your doors open?
Is Sunday shopping possible at your place?
I only have time on Sunday, will I find you there?
Which hours do you keep on Sundays?
store open sundays
Please let me know your schedule for Sunday.
Would Sunday at noon suit for a visit?
My parents are in town on Sunday, can we look around?
are you guys there on a sunday
Do you take Sundays off?
From when to when may customers come on Sunday?
Is Sunday a day off for you?
Any chance to buy something in the store on Sunday?
How about Sundays, do you serve customers then?

@ public holidays
= We are closed on all public holidays.
Are you open on public holidays?
Is the shop open on holidays?
What are your hours on a bank holiday?
Do you open at Easter?
holiday opening hours
Can I come in on New Year's Day?
Are you closed on public holidays?
Do you work on national holidays?
Is anyone there on a public holiday?
Next week is a holiday, will the shop be open?
open on bank holidays?
What happens with your opening times on holidays?
Will you be open over the holiday?
Can I visit on a public holiday?
Is the shop shut for the Christmas holiday?
are you there on easter monday
Does your shop close when there is a public holiday?
Do you close on Christmas Day?
Can I shop with you on Labour Day?
Is there anyone in the store on Boxing Day?
tell me if you open on christmas eve
hours new years eve
How do holidays change your opening hours?
I want to drop by on Good Friday, are you there?
Which holidays do you close on?
My only free day is the bank holiday, can I stop by?
Does the store open on May Day?
Are you working on festive days?
Is the national day a normal working day for you?
xmas opening times
Please let me know your holiday schedule.
Will the store be shut on Whit Monday?
What about the days around Easter, are you closed?
Any special times for the festive season?
Do you take a break between Christmas and New Year?
closed for legal holidays?
Should I wait until after the public holiday to visit?

@ address
= Our shop is at 14 Mill Street in Larkfield.
Where is your shop?
What is your address?
Where can I find you?
shop address please
In which town is your shop?
Which street are you on?
Could you give me the address of the shop?
where are you located
How do I find the shop?
What's the location of your shop?
Where exactly is Fern and Otter?
Do you have a real shop, and where is it?
I want to visit you, where do I have to go?
adress of your store?
Can you tell me where the shop is?
What should I type into the map to find you?
In what street can I find the shop?
Where do I have to drive to see your shop?
Do you have directions to the shop?
Can I see on a map where you are?
Is there a physical store I can walk into?
tell me your street and house number
store location
How can I find your store?
I want to come and look around, where is that?
What part of town are you in?
whereabouts is your place
Which city are you based in?
Please send me the full postal address of the store.
I am standing in Larkfield, where are you?
What is the house number of your shop?
Are you in the town centre?
Do you only sell online or is there a store somewhere?
What postcode do I enter in my sat nav?
At which place can I see your things in person?
My taxi driver needs to know where your shop is.
in what area are you
Where is your nearest branch?

@ parking
= Free parking is behind the shop on Bell Lane.
Is there parking near the shop?
Where can I park?
Do you have a car park?
parking?
Can I leave my car near you?
Is parking free at your shop?
How much does it cost to park?
I am coming by car, where can I leave it?
Are there parking spaces at the shop?
where do i park my car
Could you tell me where customers park?
Is it easy to park near your shop?
Do I have to pay for parking?
We will arrive by car, is there somewhere to park?
Is there a place for my car?
any parking spots close by
Do visitors get a parking space?
Do you offer customer parking?
Can I park right outside?
Is there a garage or parking lot nearby?
tell me where to put my car
free parking?
How far is the car park from the shop?
I want to drive to you, will I find a parking space?
What are the parking fees?
We come with a van, where can it stand?
Which street has spaces to park?
car park near store
Are there any spots for vehicles?
Please explain the parking situation.
Does a parking ticket cost money there?
My car is big, will it fit in your lot?
Where should drivers leave their vehicles?
is street parking allowed there
Should I bring coins for the parking meter?
Could I park behind the building?
What about parking a motorbike by the shop?

@ tram
= Take tram 5 to Mill Street and walk for two minutes.
Can I get to you by tram?
Which bus or tram goes to the shop?
How do I reach you by public transport?
Is there a tram stop near the shop?
I have no car, how can I get there?
public transport to your shop
What is the nearest tram stop?
how can i come by bus
Which tram do I have to take?
Are you easy to reach without a car?
Is there a bus stop close to you?
How do I get to the shop by train or tram?
what tram line stops near you
Could I come by public transport?
Which line goes to Mill Street?
I don't drive, how do I get to the shop?
What is the best way to travel to you by tram?
Do any trams stop by your shop?
Can I take the bus to you?
Is there a train or metro station nearby?
tell me which tram goes to you
nearest bus stop
How far is it on foot from the tram stop?
I want to leave the car at home, which tram helps?
Where do I get off the tram?
What number tram should I catch?
Which stop is closest to your store?
I am at the central station, which line brings me to you?
bus line to the shop
Please explain the way by bus and tram.
Are there good public transport links?
Does the underground go near you?
My driving licence is gone, can I come by train?
Where must I get off if I ride the tram?
which stop do i get out at
Could I get to you from the station by tram?
How many minutes do I walk from the stop?

@ phone
= You can call us on 0555 014 270.
What is your phone number?
Can I call you?
How can I reach you by phone?
phone number please
Which number do I have to ring?
Do you have a telephone line?
I would rather talk to someone on the phone.
Could you give me your telephone number?
number to call?
Is there a number I can ring?
I want to speak to a real person.
What's the number of your customer service?
How do I phone the shop?
can i talk to somebody on the phone
Do you have a hotline?
I need your phone nummber
Under which number can I call you?
Please send me your telephone number.
Do you take calls?
Can I ring the shop?
Is there a helpline?
tell me your phone number
tel number?
How do I call customer support?
I want to call you, what number do I dial?
What digits do I dial to reach you?
Whats ur number
Which phone number is for customers?
I cannot type well, may I talk to somebody instead?
call customer service
Please let me have a number so I can call.
Are you available by telephone?
Does the shop have a phone?
My question is complicated, can we discuss it on the phone?
Could you give me a contact number?
I need to speak with your staff directly by phone.
Where can I find your mobile or landline number?
Is it possible to have a phone conversation with an agent?

@ email
= Write to us at help@fernotter.example.
What is your email address?
Can I write to you?
How do I contact you by email?
email?
Where can I send an email?
Do you have an email address for questions?
Could you give me your mail address?
I want to send you a message, where to?
which email should i use
I would like to write to customer service.
To what address do I send my email?
how can i email you guys
Can I reach you by mail instead of phone?
What email address do you use?
I need to send you a photo by email.
Is there an email contact?
Where do I write if I have a question?
Do you answer questions by mail?
Can I contact you in writing?
Is there an inbox for customer questions?
tell me your email
e-mail address please
How do I send you a written message?
I want to email you some pictures, where do they go?
What is your contact mail?
whats ur email
Which mail address reaches the support team?
I do not like calling, may I write instead?
contact by mail
Please share your email contact.
Are you reachable by e-mail?
Does customer support have an email?
My letter to you is ready, which email does it go to?
Where should I mail my question?
Could I drop you a line by email?
Under which email can I write to you?
I have a complaint and would like to send it in writing.

@ reply time
= We answer every message within one working day.
How long until you answer my email?
When will I get a reply?
How fast do you reply to messages?
reply time?
I wrote to you, when do I hear back?
How quickly does customer service answer?
How many days does it take to get an answer?
when will somebody answer me
Do you answer emails quickly?
I sent a message yesterday and heard nothing yet.
How soon will you get back to me?
What is the usual response time?
how long do i wait for a response
I am still waiting for your answer, is that normal?
By when do you usually reply?
If I write today, when do you answer?
How long do you need to respond to a message?
Do you respond on the same day?
Can I expect an answer today?
Is there a delay in answering messages?
tell me when you will write back
response time email
How many hours before I hear from you?
I want to know when someone will reply to my message.
What is the wait for an answer from support?
no reply yet, why
Which day will I hear from you?
I emailed you on Monday and nobody has answered.
answer time customer service
Please tell me how soon support responds.
Are you slow to answer mails?
Does it take long to get a response from you?
My question is urgent, how fast can you answer it?
Should I expect a reply by tomorrow?
Nobody has responded to my question so far.
When does your team get round to my message?
Have you read my email, and when will you respond?

@ return period
= You can return any item within 45 days.
How long do I have to return something?
What is the return period?
Within how many days can I send an item back?
return window?
How many days do I have for a return?
Can I still return something after a month?
What is the deadline for returns?
until when can i send things back
By when must I return an item?
I bought it three weeks ago, can I still send it back?
How much time do I get to return my order?
Is it too late to return something after 40 days?
how many days to return
What is your return policy?
Tell me how long returns are accepted.
For how long can I bring an item back?
When does the return period end?
whats the time limit for returning stuff
Do I still have time to return my order?
Can I send something back after two months?
Is there a time limit on returns?
tell me the last day for a return
returns deadline
How late can I return something?
I want to know how many weeks I have to send things back.
What is the last date to give something back?
Which time frame do you allow for returns?
I was on holiday for six weeks, am I too late to return this?
return period days
Please tell me the number of days for returns.
Are returns possible after 30 days?
Does the right to return run out at some point?
My order came last month, can it still go back?
Would a return after 50 days be too late?
How many weeks can I keep it before sending it back?
can i return it within 14 days
When is it too late to bring something back?
How long after buying may I change my mind and return it?

@ return cost
= Returns are free with the label in your parcel.
Do I have to pay for a return?
Are returns free?
What does it cost to send something back?
who pays the postage for a return
How much is a return?
Is there a fee for returns?
Do you charge me when I send an item back?
return cost?
Do I pay the postage when I return my order?
Is sending back free of charge?
Will you charge for the return parcel?
Where do I get a return label?
How expensive is it to return an item?
is there a return label
Who pays when I send things back?
Do returns cost anything?
Must I buy a stamp for the return parcel?
Do you pay the return shipping?
Can I send things back for free?
Is there any cost for sending an item back?
tell me what a return costs
free returns?
How much do you take off for return postage?
I want to send it back, do I have to pay?
What is the price of return shipping?
Which side covers the return postage, you or me?
I lost the return label, does sending it back cost me now?
return shipping fee
Please send me a return label.
Are there charges for returning goods?
Does returning something cost money?
My return parcel is heavy, who pays for it?
Is a prepaid label included for returns?
who covers shipping when i return
Should I pay the post office for my return?
Will I lose money on postage if I return this?
Could I print a free label for my return?

@ return condition
= Items must be unused and in their original box to be returned.
Can I return something I have already used?
In what condition must a return be?
Do I need the original box for a return?
Can I send back an opened item?
I threw away the box, can I still return it?
must returns be unused
Does the item have to be unused?
What if I have used it once and want to return it?
return without original packaging?
Do you take back used items?
I no longer have the packaging, is a return possible?
Is it fine to return an item without its box?
Which condition do you expect for a returned item?
can i give it back if i tried it
Do you accept returns that are not in the box?
Must the item be in its original packaging?
I already opened the box, may I send it back?
Do I have to return it in the first box?
Can I return an item that I have worn?
Is there a rule about how a returned item must look?
tell me if a return has to be unused
return used item
How new must an item be to be returned?
I want to return it, but the wrapping is torn.
What state should goods be in for a return?
i ripped the packaging, can it still go back
Which rules are there for the state of a return?
I washed it once, will you still take it back?
opened box return
Please explain the conditions for returning an item.
Are opened products returnable?
Does it need the tags and box to go back?
My child has played with it, can we still return it?
Would you accept a return with a missing carton?
Should the seal be unbroken when I send an item back?
Will you refuse a return that looks used?
no box anymore, return ok?

@ start a return
= To start a return, open your order and choose Send back.
How do I return an item?
How do I start a return?
What do I have to do to send something back?
how to return
I want to return my order, what now?
Where do I register a return?
What are the steps for a return?
I'd like to give something back, how does that work?
Can you explain how a return works?
how can i send this back
Where can I start the return of my order?
I do not like it and want to send it back, how?
Please help me to return an item.
Which steps are needed to send an item back?
What is the process for returns?
How does returning work?
Tell me how to begin a return.
Do I need to fill in a form for a return?
Can I start my return online?
Is there a button to return my order?
tell me the steps to send it back
return procedure
How can I begin sending an item back?
I want to send something back, where do I click?
What do I do first if I want to return something?
Which page do I use to request a return?
I changed my mind about my order, how do I give it back?
start return
Please guide me through a return.
Are there instructions for returning an item?
Does a return have to be announced to you first?
My order is not what I hoped, how do I return it?
Where do I find the return option in my account?
Could you set up a return for me?
need to return something, help
Should I tell you before I send something back?
Walk me through sending my order back.

@ refund time
= We send your money back within 5 days after the return arrives.
When do I get my money back?
How long does a refund take?
I returned my order, where is my money?
refund time?
When will the refund arrive?
How many days until I get my refund?
how long till i get my money back
You have my return, when do you pay me back?
How fast do you refund?
I am waiting for my refund.
When is the money for my return paid back?
How quickly will I be refunded?
Still no refund, when does it come?
How soon do you send the money after a return?
By what day is my refund paid?
wheres my refund
What is the usual time for a refund?
Do refunds take long?
Can I expect my refund this week?
Is there news about my refund?
tell me when my money comes back
money back when
How many working days for a refund?
I want to know when I will be paid back.
What is the waiting time for my refund?
i sent it back last week and got no money yet
Which day will the money be on my account again?
I have not been refunded, how much longer?
refund how long
Please check when my refund comes.
Are refunds quick?
Does it take weeks to be reimbursed?
My return reached you, when will I see the money?
Has my refund been sent yet?
Where is the refund you owe me?
Should my money already be back after a return?
After you receive the return, how soon is the money sent?

@ exchange
= Yes, you can exchange an item for another size or colour free of charge.
Can I exchange an item?
Can I swap it for another colour?
I want a different size, can I exchange it?
exchange possible?
Is it possible to swap an item?
Do you exchange items?
I ordered the wrong colour, can I change it for another?
Could I get another size instead?
How about exchanging it for a different colour?
can i swap my item
Does an exchange cost anything?
I would like to exchange what I bought.
Is there a fee for an exchange?
It is the wrong size, can you swap it?
Do you swap items if the colour is not right?
Can I trade it for a different one?
May I exchange the item for another one?
Do you allow exchanges?
Can I have a bigger one instead?
Is there a charge for swapping sizes?
tell me if i can swap colours
size swap
How do I change it for a smaller size?
I want the blue one instead of the red one I received.
What if the size does not fit and I need another?
too small, need a larger one
Which items can be exchanged?
I bought a medium but need a large.
swap for another colour
Please exchange it for the green one.
Are exchanges free?
Does swapping to another size cost extra?
My sweater is too big, could I get a smaller one?
Could you replace it with a different colour?
Would you trade my large one for a small one?
Any chance to switch to a different size?
It does not fit me, may I switch it?

@ sale items
= Sale items can only be exchanged and not refunded.
Can I return sale items?
Do I get a refund on something from the sale?
Are reduced items returnable?
sale returns?
I bought it in the sale, can I send it back?
Is a refund possible for sale items?
What about returning reduced goods?
Can I get my money back for a sale item?
do you refund items from the sale
It was reduced, can I still return it?
Are there special rules for items on sale?
Do the normal return rules hold for the sale?
May I give back something that was on sale?
Is it possible to return an item from the sale?
refund for a reduced item possible
What happens if I do not like my sale item?
Do you take back discounted items?
Can I get a refund on clearance goods?
Is there a refund for marked down products?
tell me if sale goods can go back
return discounted item
How do returns work for sale items?
I want to return something I got at half price.
What can I do with a reduced item I do not like?
bought it on clearance, refund?
Which return rules apply to sale articles?
I paid the sale price, can I have my money back?
clearance returns
Please tell me about returning bargains from the sale.
Are sale purchases final?
Does the return policy cover things from the sale?
My sale dress is not nice, will you refund it?
Could I swap an item I bought in the sale?
Will you give cash back for reduced things?
Are marked down items excluded from returns?
It was in the summer sale, is returning it allowed?

@ gift return
= If it was a gift, we pay you with a gift card.
Can I return a gift?
I got this as a present, can I send it back?
How do gift returns work?
gift return?
Someone gave me this, can I get money for it?
I received it as a gift and do not like it.
Do you take back presents?
What do I get if I return a present?
Can a gift be given back?
it was a birthday present, can i return it
My aunt bought it for me, may I return it?
Can I return something that I did not buy myself?
Is it possible to send back a present?
What happens when I return a gift?
returning a gift
It was a gift, do I get the money?
Do you accept returns of gifts?
Can I bring back a present from my grandma?
Is there a way to return a Christmas present?
tell me what i get for a returned gift
return a present
How can I give back something I was given?
I want to send back a gift, do I get cash?
What if I do not like the present I received?
unwanted gift, what can i do
Which way do you pay when a present is returned?
My husband gave me this, but I already have one.
unwanted present return
Please explain how to return something I got for my birthday.
Are presents returnable?
Does the person who gets a gift have the right to return it?
I got a wedding gift from you twice, can one go back?
Could I return it without the buyer knowing, as it was a gift?
Will the giver get the money if I return the present?
A friend ordered it for me and I do not want it.
Do I get a voucher or money for a returned gift?

@ delivery time
= Standard delivery takes 3 working days.
How long does delivery take?
When will my order arrive?
How many days is standard delivery?
delivery time?
How fast is your delivery?
When do I get my parcel?
How long do I have to wait for my order?
If I order today, when does it come?
how long is shipping
How quickly do you deliver?
What is the normal delivery time?
I just ordered, when will it be here?
By when is my order delivered?
when does my stuff arrive
Will my parcel come this week?
How many days until my order is here?
How soon do you ship and deliver?
Is delivery quick?
Do you deliver within a week?
Can I have my order by the weekend with normal shipping?
Is there a date when my order should arrive?
tell me how long shipping takes
shipping time
How many working days does a parcel take?
I want to know when my goods will get here.
What is the expected arrival date of my package?
Which day will my order turn up?
I ordered on Monday, when can I expect it?
standard shipping days
Please tell me how soon orders get delivered.
Are your deliveries fast?
Does shipping take more than a week?
My birthday is in five days, will the order come in time?
Should my package be here by Friday?
Will it take long to reach me?
how long till my package gets here
After ordering, how many days pass until delivery?
Could you estimate when my purchase arrives?

@ delivery cost
= Standard delivery costs 4 euros.
How much is delivery?
What does delivery cost?
What are the shipping costs?
delivery fee?
Do I have to pay for delivery?
How much do you charge for shipping?
What is the price of standard delivery?
shipping cost pls
What do I pay for postage?
How expensive is shipping?
Is there a delivery charge?
What will you charge me to deliver my order?
how much to ship an order
Tell me the cost of delivery.
How many euros is the delivery?
What is the postage for a normal parcel?
What is your delivery price?
Could you tell me what standard shipping costs?
What are your delivery rates?
postage price
I want to know the shipping fee before I order.
How many euros do you add for postage?
Is postage included in the price?
Does shipping cost extra?
What is the fee for sending a parcel to my house?
Are there any shipping charges on top?
Can you tell me the postage rate?
Do you charge for delivering?
tell me how much the shipping is
whats the delivery charge
What would it cost to have this sent to me?
How high are the delivery costs?
cost of standard delivery please
I am ordering one small thing, what is the postage?
Which amount do I have to pay for shipping?
Please let me know your shipping price.
How pricey is normal delivery?

@ free delivery
= Delivery is free for orders over 60 euros.
When is delivery free?
Do you offer free delivery?
From what amount is shipping free?
free shipping?
How much must I spend for free delivery?
Is there free shipping for large orders?
Can I get delivery for free?
what do i need to spend to get free delivery
What is the minimum order for free shipping?
My order is quite big, is delivery free then?
Do you have free postage?
Above which amount do you deliver for free?
How can I avoid the delivery fee?
At what order value is delivery free?
free delivery from how many euros
I do not want to pay for delivery, is that possible?
Is shipping ever free?
How big must my order be for free shipping?
Do I get free postage if I buy a lot?
Is there a minimum spend for free delivery?
I am buying several things, will shipping be free?
free postage over what amount
At what point do I stop paying for delivery?
Can the shipping fee be waived on big orders?
Do you drop the delivery charge above some amount?
What must my basket total be for free delivery?
tell me when shipping costs nothing
How do I qualify for free shipping?
I want free delivery, how much more must I buy?
Are large orders delivered at no cost?
min spend free delivery
My basket is 70 euros, do I still pay shipping?
Could you deliver without charge if I order more?
What is the threshold for free postage?
Which orders are shipped free of charge?
Is delivery included when I spend enough?
Would I save the shipping cost with a larger order?

@ express delivery
= Express delivery costs 9 euros and arrives the next day.
Do you have express delivery?
Can I get my order tomorrow?
How much is express shipping?
express?
I need it very quickly, what can you do?
Is next day delivery possible?
What does express delivery cost?
it is urgent, can you deliver faster
Can you send my order by express?
How fast is express delivery?
I need the parcel by tomorrow, is that possible?
Do you offer a faster delivery?
Is there a quicker way to get my order?
next day shipping price
Can delivery be faster if I pay more?
My order is urgent, please help.
What is the price for next day delivery?
Do you do rush orders?
Is overnight shipping available?
What is the charge for express?
I am in a hurry, can you send it fast?
express shipping option
Can you speed up my delivery?
The birthday is tomorrow, can it still arrive in time?
Would it be possible to have it here tomorrow?
How can I get my parcel sooner?
tell me about your express service
Is there a priority delivery?
fast delivery cost
Can I upgrade to quick shipping?
What is your fastest shipping option?
Are urgent orders possible?
I want the quickest delivery you have.
Could I pay extra to get it by the next day?
How much extra for overnight delivery?
need it asap, what are my options
Does express really come the very next day?

@ countries
= We deliver to all countries in Europe.
Do you deliver abroad?
Which countries do you ship to?
Can you send a parcel to France?
do you ship to other countries
Do you deliver to Spain?
Is international delivery possible?
I live in another country, can I order?
shipping abroad?
To which countries can I order?
Would you send an order to Italy?
Can I order from outside the country?
Do you ship all over Europe?
Is it possible to deliver to Norway?
do you send parcels overseas
My sister lives abroad, can you deliver to her?
Where in the world do you deliver?
Do you ship to Poland?
Can I have my order sent to Germany?
Do you only deliver inside the country?
Is Europe covered by your delivery?
international shipping
Could you ship to an address in Sweden?
I live in Austria, will you deliver here?
What places abroad do you deliver to?
How far do you ship, also across the border?
Are deliveries to foreign countries possible?
I want to send a parcel to a friend in Portugal.
worldwide shipping?
tell me which countries you deliver to
Do you ship outside Europe?
Can people in America order from you?
Is my country on your delivery list?
I am from Belgium, am I able to order?
Does your shop ship internationally?
Will you post to Ireland or the UK?
list of countries you ship to
I am moving overseas, can I still order from there?

@ carrier
= Our parcels are brought by Green Wheel couriers.
Which company delivers the parcels?
Who brings my order?
What carrier do you use?
courier?
Who delivers for you?
With which company do you ship?
Which courier will bring my parcel?
who is your delivery company
Is my parcel sent by post or by courier?
What delivery service do you use?
Who will come to the door with my parcel?
Which delivery company do you work with?
By whom is my order brought?
Do you use the post for your parcels?
what courier company is it
Who carries your parcels?
What is the name of your courier?
Is it DHL or someone else who delivers?
Which parcel service do you use?
name of the delivery firm
Do you have your own drivers?
Can you tell me which courier you use?
Who handles your deliveries?
I want to know who will deliver the box.
Are your orders shipped with UPS?
Who drives the parcels to the customers?
which carrier
Tell me what company transports the parcels.
What shipping company are you with?
How are parcels brought to me, by which service?
Whose van should I look out for?
Is the delivery done by the postman?
Who is your shipping partner?
Do you send things with the post office?
What kind of couriers bring your orders?
Could you say which firm delivers to my door?

@ tracking
= You get a tracking link by email when your parcel leaves.
How can I track my parcel?
Where is my order?
Is there a tracking number?
tracking?
Can I follow my parcel online?
How do I know where my parcel is?
Do you send a tracking link?
where is my parcel right now
I want to see where my order is.
Can I see the status of my delivery?
How do I find out the status of my order?
Where do I find my tracking number?
track my order
Is it possible to follow the delivery?
My order is on its way, can I track it?
When do I get the tracking link?
How do I check the status of my parcel?
How can I trace my package?
Do I get a code to follow my parcel?
What is the status of my shipment?
tracking link
I have no tracking number, where do I get it?
Can you tell me where my package is?
Has my order been sent yet?
parcel status
Is my parcel already on the way?
I want to follow my shipment.
Will you email me a tracking code?
tell me where my delivery is now
Are parcels tracked?
Could I watch my parcel on a map?
How will I know that my order was shipped?
Where can I look up my package?
trace package online
Did you ship my order already?
Do you let me know when my parcel is sent?
Does every parcel come with tracking?

@ pick up
= Yes, you can pick up your order in our shop after two hours.
Can I pick up my order in the shop?
Do you offer collection in the shop?
Is it possible to collect my order?
pick up in store?
I would like to fetch my order myself.
Can I order online and collect it?
When can I collect my order in the shop?
can i come and get my order myself
Could I pick the parcel up at your shop?
Is there click and collect?
Can I collect instead of having it delivered?
How soon can I pick up my order?
I prefer to pick it up myself, is that okay?
May I fetch the parcel from the shop?
collecting my order at the shop
Do I have to have it delivered or can I collect?
Is in store collection an option?
Can I order on the website and fetch it in person?
Do you do click and collect?
I want to collect my parcel from your store.
How long before I can fetch my order?
collect in shop
I live nearby, can I just come and pick it up?
What about picking up instead of shipping?
Can my husband collect the order for me?
Are customers able to pick up orders themselves?
tell me if I can collect in person
store pickup
After how many hours is my order ready to collect?
Could I come by to get what I ordered online?
Is self collection possible?
When will my order be ready for pickup?
Would it be okay to pick up the goods at the counter?
reserve online and collect in store
Do I need to wait long before collecting?
Can I skip delivery and grab it from the shop?

@ change address
= You can change the delivery address until the parcel leaves.
Can I change my delivery address?
I typed the wrong address, what now?
I moved, can you send it to my new address?
change address?
Can you deliver to a different address?
My address is wrong in the order.
How do I correct the delivery address?
i gave you the wrong address
Is it possible to change the address of my order?
Can I still change where the parcel goes?
I need to update my address.
The order should go to another address.
There is a mistake in my address, can you fix it?
Could you change the address for my parcel?
I have a new address, can you change it?
Until when can I change the address?
How can I get the parcel sent to another address?
I entered the wrong street, can you correct it?
How do I edit the shipping address?
Can I have the parcel redirected?
wrong house number on my order
We are moving next week, please send it to our new home.
Is it too late to change the shipping address?
update delivery address
Could you ship it to my office instead of my home?
What if I gave a wrong postcode?
I want my order to go to my parents house instead.
Can you send it somewhere else than I wrote?
tell me how to fix my address
Do you let me switch the delivery address after ordering?
There is a typo in my street name.
Where can I change the address on my order?
my old address is still on the order
Are changes to the delivery address possible?
How late can I still alter the address?
Please change the destination of my parcel.
I forgot my flat number in the address.

@ missed delivery
= If you are out, the courier leaves the parcel with a neighbour.
What happens if I am not at home?
I missed the delivery, where is my parcel?
Nobody was home when the courier came.
missed delivery?
What if no one is home?
I was out when you came, what now?
Will the courier come again if I am out?
i wasnt home for my parcel
Where is my parcel left when I am away?
What does the courier do if I do not open?
Do I have to be at home for the delivery?
I am at work all day, what happens with my parcel?
Who takes my parcel when I am not there?
not at home during delivery
Can the courier leave my parcel if I am out?
What if I am away when the courier comes?
The courier rang but I was not there.
Will my package be left with the neighbours?
What do you do with the parcel if nobody answers?
nobody home
I am on holiday when the parcel comes, what happens?
Does somebody need to be there to take the parcel?
Is there a second delivery attempt?
I did not hear the bell, where did the parcel go?
Can my neighbour take the package for me?
out when courier came
How does it work if I am away from home?
Do you try again if I am not in?
tell me what happens if I miss the courier
Where will the driver put it if I am out?
I will be out on delivery day.
Could the driver leave it by the door if I am gone?
What if I cannot open the door when he comes?
came home too late for the courier
Are parcels given to someone next door?
I could not be there to receive my package.

@ damaged
= Send us a photo of the damage and we send a new item at once.
My parcel is damaged, what can I do?
The item arrived broken.
It came with a crack, what now?
damaged item
What do I do if something is broken?
My order was broken when I opened it.
One piece is damaged, can you help?
i got a broken item
The box was crushed and the item is broken.
There is a scratch on it, what should I do?
I received a damaged item, can I get a new one?
Something is cracked, how do I report it?
It was broken on arrival, please help.
How do I report damage?
the thing came broken in the mail
What happens if my item arrives damaged?
My new item has a crack, will you replace it?
My delivery came smashed.
What if the goods are defective on arrival?
broken on arrival
I unpacked it and it was in pieces.
How do I complain about a damaged delivery?
The glass was shattered in the box.
Can I get a replacement for a damaged item?
It was harmed during shipping, what do I do?
There is a dent in my new item.
Do you replace things that arrive broken?
tell me what to do with a broken delivery
My new bowl arrived chipped.
item torn when it arrived
Is there help if my package got damaged in transit?
I just received it and it is faulty.
Could you send a new one, mine came broken?
Where do I send a photo of the damage?
the parcel got wet and everything is ruined
Are you going to replace my broken order?
What should I do, the item has a dent and a hole?

@ missing item
= If something is missing, call us and we send it the same day.
Something is missing from my order.
One item is missing in my parcel.
I did not get everything I ordered.
missing item
My parcel is not complete, what now?
A part is missing, what should I do?
You forgot one item in my order.
there is an item missing
I ordered two but got only one.
The parcel came, but one thing was not in it.
What do I do if an item is missing?
Not everything was in the box.
Half of my order is missing.
you forgot something in my parcel
I am missing one of the items I paid for.
What if my order is not complete?
There should be three pieces but I only see two.
My order came incomplete.
What should I do if a product was left out?
item not in box
I paid for four and received three.
Where is the rest of my order?
You did not pack everything.
Can you send me the thing that was missing?
The box was empty.
Could you have forgotten to pack one article?
How do I report a missing item?
parts missing from parcel
I cannot find one of my items in the package.
Is it possible that you left something out?
I got fewer things than I ordered.
Do you send missing items later?
tell me what to do, my parcel is incomplete
One article was not included in the delivery.
only got part of my order
Who do I tell that something was not in the parcel?

@ payment methods
= You can pay by card, bank transfer or in cash in the shop.
How can I pay?
Which payment methods do you accept?
Can I pay by card?
payment methods?
Do you take cash?
What are the ways to pay?
Is it possible to pay by bank transfer?
Do you accept credit cards?
how do i pay for my order
What forms of payment do you take?
Can I pay in cash?
Which cards do you accept?
In what ways can I pay for my order?
Which payment options do you have?
can i pay with my bank card
How is payment done in your shop?
Is paying with a card possible?
Do you accept PayPal?
Can I use Visa or Mastercard?
Is cash okay in the shop?
ways to pay
What kinds of payment are accepted?
Do you take debit cards?
I want to pay by bank transfer, is that fine?
Are credit cards welcome?
tell me how I can pay
Can I transfer the money from my bank?
card or cash?
Which means of payment are possible?
Could I pay with coins and notes?
I have no credit card, how else can I pay?
Does your shop take Apple Pay?
How do customers usually pay?
What can I pay with at the checkout?
payment options
Is there a way to pay with my phone?
May I settle with my debit card?

@ invoice payment
= Paying by invoice is possible from your second order.
Can I pay by invoice?
Do you offer payment after delivery?
Can I get the goods first and pay later?
pay later?
Is buying on invoice possible?
I would like to pay on account.
May I pay after I get my parcel?
When can I pay by invoice?
do you do pay by invoice
Can I order now and pay afterwards?
Is it possible to pay only after delivery?
Could you send a bill and I pay then?
Do you let new customers pay by invoice?
Is there an option to pay later?
order now pay later
Can I pay with an invoice for my first order?
Can you bill me later?
Do you let people buy on account?
Is payment on invoice offered?
pay by bill
I want to see the goods before I pay.
Can I receive it now and pay in two weeks?
How do I choose invoice as payment?
What do I need to be allowed to pay by invoice?
Could I buy now and settle later?
Are first time buyers allowed to pay on invoice?
buy now pay later
tell me if I can pay after it arrives
Does paying on account work for my first purchase?
From which order on can I use invoice payment?
I would rather get a bill and pay afterwards.
Will you deliver first and let me pay after?
Is deferred payment possible?
purchase on invoice
Why can I not choose invoice at checkout?
Do I have to pay up front or can you invoice me?

@ instalments
= We do not offer payment in instalments.
Can I pay in instalments?
Is it possible to pay monthly?
Do you offer instalments?
pay in parts?
Can I split the payment?
Could I pay a little every month?
Do you have a monthly payment plan?
can i pay in several parts
Is there financing?
It is expensive, can I pay bit by bit?
May I spread the cost over some months?
Is paying in parts possible?
Can I pay half now and half next month?
Do you do payment plans?
monthly payments possible
Can I pay it off in small amounts?
Do you have a finance option?
Can I pay in three rates?
Is a monthly plan available?
installments possible
I cannot afford it all at once, can I pay in steps?
What about paying every month?
Could I divide the price into smaller payments?
Are monthly rates possible?
How can I pay over six months?
I want to split the bill into four parts.
tell me if I can pay in installments
finance or credit plan
Does your shop offer credit?
May I make a down payment and pay the rest monthly?
Can the total be spread over the year?
Would you accept several small payments?
split payment
Is there a way to pay 20 euros a month?
I would like to pay it in bits.
Do I need to pay the full sum in one go?

@ when charged
= Your card is charged when the parcel leaves.
When do you charge my card?
When is the money taken?
At what point do I pay?
when is my card charged
Do you take the money at once?
When will the amount leave my account?
Is my card charged right after the order?
Why has my card not been charged yet?
When does the payment go through?
I ordered but nothing was taken from my card.
When will you take the money from my account?
On what day is my card charged?
Will you charge me before you send it?
no money has left my account yet
When exactly do I get charged?
Is the money taken immediately?
At what time is the payment taken?
Do you debit my card when I order?
Has my payment gone through yet?
card charge date
My bank shows no payment for my order yet.
When do you debit my account?
Is my card billed on the day I order?
What day will the money be withdrawn?
I want to know when I will be charged.
How soon is my card debited?
Can I order today and be charged only when it ships?
payment not taken yet
tell me when the money leaves my bank
Do I get charged before shipping or after?
Does the charge happen right away?
Will the money come off my card today?
Are cards charged at checkout?
when does the money come off
My card still has the full balance after ordering, why?
Could you say when the payment is booked?

@ gift cards
= Our gift cards are valid for three years.
How long is a gift card valid?
Do gift cards expire?
When does my gift card run out?
gift card valid how long
I have an old gift card, can I still use it?
Do your gift cards have an end date?
Until when can I use my gift card?
How many years can I use a gift card?
My gift card is two years old, does it still work?
how long can i use a gift card for
Is there a time limit on gift cards?
What is the validity of a gift card?
Will my gift card expire soon?
For what time is the gift card good?
does my gift card still work
Is a gift card from last year still valid?
What is the expiry date of a gift card?
Can a gift card become invalid?
Are your gift cards valid forever?
gift card expiry
I found a gift card in a drawer, is it still good?
How soon must I spend my gift card?
Is my gift card expired?
Do I have to use the gift card within a year?
tell me how long gift cards last
I got a gift card for Christmas, when must I use it?
When is the last day I can redeem my gift card?
Does a gift card lose its value after some time?
expired gift card
Will you still accept a gift card from two years ago?
Could I keep my gift card for next year?
What is the deadline for spending a gift card?
For how many years are gift cards good?
how many months is a gift card valid
I want to use an old gift card.
By when should my gift card be redeemed?

@ gift wrap
= Gift wrapping costs 3 euros per item.
Do you wrap gifts?
Can you wrap it as a present?
How much is gift wrapping?
gift wrap?
What does it cost to wrap a gift?
It is a present, could you wrap it nicely?
Is gift wrapping free?
Do you offer gift wrap?
can you pack it as a gift
I need it wrapped for a birthday.
How much do you charge for wrapping?
Could my order come in gift paper?
Is there a fee for gift wrapping?
Would you wrap this for my mother?
wrapping as a present possible
What is the price of gift wrap?
Can I have it gift wrapped?
Do you have wrapping paper and ribbon?
Is there a gift wrapping service?
wrap as present
I am buying a birthday present, can you wrap it?
What is the fee for gift paper?
How do I add gift wrap to my order?
Could you put a bow on it?
Are presents wrapped for free?
tell me what gift packing costs
I want this wrapped up nicely for my friend.
Does wrapping cost extra?
gift wrapping price
Will you make a pretty gift package out of it?
Can each item be wrapped separately as a gift?
Would it be possible to get Christmas wrapping?
It is for a wedding, please wrap it.
How many euros for wrapping one gift?
Is a gift box available for a present?
wrapped with ribbon please, how much

@ student discount
= Students get 10 percent off with a valid card.
Do you have a student discount?
Is there a discount for students?
I am a student, is it cheaper?
student discount?
How much is the student discount?
Do students pay less?
What discount do students get?
any discount for students
Can I get a reduction as a student?
I study at university, do I get a discount?
Do you give students a lower price?
How many percent do students save?
Is your shop cheaper for students?
im a student can i get money off
What do I save with a student card?
Do you have special prices for students?
Do you give money off to students?
Are there student rates?
What percentage off do students get?
student price
I go to college, do I pay less?
Can pupils get a discount?
How do I use my student card here?
Is there a deal for university students?
Does my student ID get me anything?
tell me about the student offer
I have a student card, what does it give me?
student reduction
Could I get something off with my university card?
Which discount is there with a student pass?
My daughter is a student, does she get a discount?
Will I save money if I show my student ID?
I want to buy with the student discount.
How can I prove I am a student for the discount?
students percent off
Are students offered a cheaper price?

@ newsletter
= You get 5 euros off when you join our newsletter.
What do I get for joining the newsletter?
Do you have a newsletter?
Is there a voucher for the newsletter?
newsletter discount?
Do I get a discount if I sign up for the newsletter?
How much is the newsletter voucher?
What is in it for me if I join the newsletter?
sign up newsletter what do i get
Can I subscribe to your news?
I want to sign up for your newsletter.
Why should I join your newsletter?
Is there a gift for newsletter readers?
Do new newsletter readers save money?
How do I get the newsletter voucher?
newsletter voucher worth how much
What is the benefit of the newsletter?
How can I subscribe to the newsletter?
Do I get money off for subscribing?
What do subscribers get?
newsletter sign up
I joined your mailing list, where is my voucher?
Is there a bonus for signing up to your mailing list?
Can I get your news by email?
tell me about the newsletter offer
Are there rewards for newsletter subscribers?
How many euros do I save with the newsletter?
I would like to receive your newsletter.
Does the newsletter come with a coupon?
subscribe bonus
Where do I register for your newsletter?
Will I get a coupon code when I subscribe?
Could I have the newsletter coupon?
I want to join your mailing list.
mailing list discount
Is it worth subscribing to your newsletter?
What coupon comes with the newsletter?

@ loyalty
= You earn one point for each euro you spend.
Do you have a loyalty program?
How do I earn points?
How many points do I get?
loyalty points?
Is there a bonus card?
Do I collect points when I buy something?
How does your points system work?
do you have a bonus program
How many points do I earn for each euro?
Can regular customers collect points?
Is there a reward for regular customers?
What do I get for being a loyal customer?
Do you reward loyal customers?
how do the points work
Can I collect bonus points with my order?
How do I collect points?
Do you offer a rewards scheme for people who shop often?
Can I get a loyalty card?
Is there a points program I can sign up for?
What rewards do frequent shoppers receive?
How many reward points is one euro worth?
I want to join your loyalty scheme.
Tell me about your bonus points.
collect points
I shop with you all the time, do I get rewards?
Does every purchase give me points?
Are there any benefits for returning customers?
Will I earn points on this purchase?
Where can I sign up for the rewards card?
I was wondering whether you have a customer card with points.
reward points per euro
Do long time customers get a thank you bonus?
When do I receive points for what I spend?
membership card with points?
I buy here every month, is there a bonus for that?
Could you explain the loyalty program to me?

@ cancel
= You can cancel your order free of charge until it leaves.
Can I cancel my order?
I want to cancel, is that possible?
How long can I cancel an order?
cancel order
I changed my mind, please stop my order.
Does it cost anything to cancel?
I do not want my order any more.
Is it too late to cancel?
i need to cancel what i ordered
Until when can I cancel?
Please cancel my order.
I ordered by mistake, can you stop it?
Can an order be cancelled?
How do I cancel an order I just made?
Is cancelling free?
stop my order please
Could you cancel my last order?
How do I call off my order?
I don't want it anymore, can I withdraw my order?
Is there a cancellation fee?
What is the deadline for cancelling?
Do you charge for cancelling an order?
Can I undo my purchase before you ship it?
Tell me how to cancel what I bought.
order cancellation
Please do not send my order, I no longer need it.
I clicked buy by accident, how can I revoke it?
My order has not left yet, can it be cancelled?
Where do I find the cancel button?
I ordered twice by mistake, please cancel one order.
Is it possible to back out of an order?
What happens if I cancel now?
cancel purchase free?
I would like to cancel this morning's order.
May I still call it off before it leaves?
Are cancellations possible before shipping?
I have second thoughts, can you halt my order?

@ change order
= To change an order, call us within one hour.
Can I add something to my order?
I want to change my order.
Can I change the items in my order?
change order
I forgot something, can I add it to my order?
Is it possible to remove one item from my order?
Can I still change the amount in my order?
how do i change my order
I ordered two but need three, can you change it?
How can I make a change to my order?
Could you add one more item to my order?
I need to edit my order.
Can I take one item out of my order?
I picked the wrong item, can I change the order?
add another item to my order
Is it still possible to change what I ordered?
Can I swap one article in my order before it ships?
Do you let people modify an order after placing it?
Is there a way to edit what I just ordered?
What can I do if I ordered the wrong quantity?
How do I add another product to an order I already placed?
I want to increase the quantity in my order.
Tell me how to alter my order.
modify order
I chose the wrong colour just now, can you correct my order?
Please put one extra piece in my order.
I forgot to include something in my order.
adjust order quantity
Could I update my order, I made a mistake in it?
How late can I still make changes to my order?
I ordered three but only want two, can you reduce it?
My order is not quite right, may I revise it?
Can you drop one article from my order and keep the rest?
Whom do I contact to amend an order?
Are changes to an order allowed after checkout?
edit items in order

@ warranty claim
= For a warranty claim, send us the receipt and a photo.
How do I make a warranty claim?
My item broke after a year, what do I do?
How can I use the warranty?
warranty claim?
What do you need for a warranty case?
It stopped working, how do I claim the warranty?
How does the warranty work?
i want to use my warranty
Where do I report a warranty case?
What do I have to send you for a warranty claim?
My item has a fault and is still under warranty.
Do I need the receipt for the warranty?
What is needed to claim on the warranty?
It no longer works, is that covered by the warranty?
claim on warranty how
Which papers do you want for a warranty claim?
What are the steps to file a warranty claim?
How do I submit a claim under the guarantee for a faulty product?
Do you need a photo for the warranty?
Can I make a claim if my item failed within the warranty?
Is there a form for warranty claims?
I want to claim under warranty.
Tell me how to get warranty service.
faulty item warranty
It is defective after a few months, how do I claim?
What proof do you want for a warranty request?
My product quit working and the warranty still runs.
Where should I send my warranty request?
The handle came off after six months, is that a warranty case?
warranty claim documents needed
Could you help me with a warranty problem?
Does the warranty require proof of purchase?
I have a defect and would like to use the warranty.
Who handles warranty cases?
How can I register a warranty claim?
make use of warranty, what to send

@ repairs
= Our workshop repairs our items for 15 euros.
Do you repair things?
Can you fix my old item?
How much is a repair?
repairs?
Is there a repair service?
What does it cost to repair something?
Can I have my item repaired?
do you fix broken stuff
My warranty is over, can you repair it?
What do you charge for repairs?
Could your workshop repair it?
I do not want a new one, can you repair the old one?
Do you have a workshop for repairs?
What is the price of a repair?
can u mend it for me
Would you mend an item that I bought years ago?
Do you offer repairs in your workshop?
Can you restore something I have had for years?
Is there somebody in the shop who mends things?
What would I pay to get it fixed?
How expensive is it to have something repaired?
I want to have my old one fixed.
Tell me your repair price.
repair cost
Are there any items your workshop can mend?
Would your workshop fix a worn out item?
Where can I get my item mended?
I would rather mend it than buy a new one.
fix my item
Could someone look at my old piece and repair it?
The seam has torn after long use, can you mend it?
Which items do you repair?
Are repairs expensive?
What is the repair fee?
It is out of warranty and broken, can your workshop help?
May I bring something in for fixing?

@ spare parts
= You can order spare parts for ten years.
Do you sell spare parts?
Can I get a spare part?
How long are spare parts available?
spare parts?
I lost the lid, can I buy a new one?
Where can I get parts for an old item?
I need a new part for my item.
do you have replacement parts
For how many years can I order spare parts?
Can I buy just one part?
A small part is lost, can I order it?
Are replacement parts available?
Will I still get parts in a few years?
Can you sell me a replacement part?
looking for a spare part
Do you keep parts for older items?
Can I order a single component?
Do you stock parts for items from years ago?
Is there a place to buy replacement pieces?
What spares do you have?
How many years do you keep spare parts?
I want to buy a replacement handle.
Tell me how to get a spare part.
replacement part
I lost a screw, do you sell it on its own?
Where do I order spares?
My old lamp needs a new shade, can I buy only that?
Are spares still sold for discontinued items?
Could I purchase just the lid?
buy spare part for old model
One knob has worn out, where do I get another knob?
Will spare parts still be around ten years from now?
Does every item have spare parts available?
May I order a missing screw separately for my old item?
parts availability
I would like to fix it myself, do you sell the parts?

@ business orders
= Companies get 12 percent off from 20 items.
Do you have discounts for companies?
Can I order a large number for my company?
Is there a bulk discount?
bulk orders?
We need fifty pieces for our office.
What discount do companies get?
Do you give a discount on large orders?
Do you sell to businesses?
we are a company, is it cheaper
I would like to order presents for all our staff.
How much cheaper is it if we order many?
Is there a special price for business customers?
What do we save if we buy for our whole firm?
Can firms get a better price?
discount for big orders
How much off do business customers get?
Do you offer corporate pricing?
Can our firm get a discount on many items?
Is there a wholesale deal for firms?
What is your rate for bulk purchases?
How do I get a company discount?
I want to order in large quantities for work.
Tell me the discount for business clients.
corporate discount
Our office needs thirty of these, do we pay less?
We want gifts for our employees, is there a discount?
Are there volume discounts?
wholesale price
Does my company pay less when buying in bulk?
How many items must a company buy to get a discount?
I am buying on behalf of a business, any special rate?
Could you make us an offer for a hundred pieces?
Which price reduction do firms receive?
Do you supply companies?
quantity discount for companies
My boss wants to buy forty items, what do we save?

@ founded
= Fern and Otter was founded in 1987.
When was Fern and Otter founded?
How old is your company?
Since when does your shop exist?
founded when
In which year did you start?
How long have you been in business?
When did the company begin?
what year was the company started
For how many years has Fern and Otter been around?
Is your company old?
When did you open your first shop?
Tell me the year your company was founded.
Since which year are you in business?
how old is fern and otter
When was the shop started?
Are you a new company?
What is the founding year of your company?
When did your business first open its doors?
How far back does your company go?
Do you know in what year the firm was established?
Can you tell me the age of your shop?
Is there a long history behind your shop?
I want to know when your company was set up.
Tell me how old the business is.
founding year
year established
What year did it all begin?
Has your shop been here for a long time?
In what year was the business created?
How many years old is the company?
When was the company established?
Were you already around in the nineties?
Since when have you been selling things?
age of the company
I am curious how long your firm has existed.
Did your shop start recently or long ago?

@ founder
= Fern and Otter was founded by the sisters Ada and June Marlow.
Who founded Fern and Otter?
Who owns the company?
Who are the founders?
founder?
Who started your shop?
Whose idea was Fern and Otter?
Who is behind the company?
who runs this shop
By whom was the company started?
Can you tell me who the owners are?
Is it a family business?
What are the names of the founders?
Who is the boss of Fern and Otter?
Who set up the company?
who created fern and otter
Does the company belong to a family?
Who is the owner of this shop?
What are the owners called?
Do you know who established the company?
Can you name the founders?
Is there a family behind the shop?
How are the founders called?
I want to know who founded the business.
Tell me who started the company.
owner name
Which people started this business?
Was the shop founded by one person or several?
Who came up with the idea for the shop?
Who does this company belong to?
company owners
Could you tell me about the people behind the brand?
Is the shop owned by a family?
Who first opened the shop?
Are the founders sisters?
Who is in charge of the company?
I would love to know the name of your founder.

@ packaging
= All our parcels are packed in recycled paper.
Is your packaging plastic free?
How do you pack your parcels?
What packaging do you use?
packaging?
Do you use plastic to pack things?
Is the packaging good for the environment?
What are your parcels packed in?
do you pack with plastic
Do your boxes contain plastic?
Is your packaging green?
What material are your boxes made of?
I care about nature, how are the parcels packed?
Can the packaging be recycled?
Do you use recycled material for the parcels?
is the packaging recycled
In what do you wrap the parcels for shipping?
Do you use eco friendly packaging?
Can I recycle your boxes?
Is there any plastic in your parcels?
What sort of paper do you pack with?
How green are your shipping boxes?
I want as little plastic as possible in my parcel.
Tell me what your packaging is made of.
plastic free packing
recycled paper packaging?
Are your boxes made of cardboard?
Does my order come in plastic?
Which materials do you use for packing?
I try to avoid plastic waste, how do you pack?
Is your packing material sustainable?
Do you send things in bubble wrap?
packing material
Are your parcels filled with paper or foam?
Could you pack my order without plastic?
How environmentally friendly is the box my order comes in?
Will there be a lot of packaging waste?

@ dogs
= Yes, friendly dogs are welcome in our shop.
Can I bring my dog?
Are dogs allowed in the shop?
Do you let dogs in?
dogs ok?
I have a small dog, may it come in?
Are pets welcome?
Is it fine to come with a dog?
can my dog come into the shop
Does my dog have to wait outside?
May I come in with my dog?
Do you allow animals in the shop?
Is your shop dog friendly?
Can I visit you with my puppy?
We always have our dog with us, is that a problem?
bringing a dog
Will my dog be welcome?
Are four legged friends allowed?
Do you accept dogs inside?
Is it okay if my dog comes along?
What is your rule on dogs?
How do you feel about dogs in the store?
I want to bring my puppy along.
Tell me if pets may come in.
pets allowed?
dog friendly shop
My dog is well behaved, can he come inside?
Must I leave my dog outside?
May animals enter the store?
Can I take my cat or dog into the shop?
I would hate to tie my dog up outside, may he come in?
Do dogs need to be on a lead in your shop?
Would it bother you if I brought my dog?
We are coming with two dogs, is that all right?
Could I walk in with my pet?
no dogs allowed or is it fine?
Are large dogs welcome too?

@ wheelchair
= Yes, our shop has a ramp and a wide door for wheelchairs.
Is the shop accessible by wheelchair?
Can I get in with a wheelchair?
Do you have a ramp?
wheelchair access?
My father uses a wheelchair, can he come in?
Are there steps at the door?
Is your shop suitable for wheelchair users?
can you get in with a wheelchair
Is there access for disabled people?
I use a wheelchair, is that a problem?
Can I come in with a pram?
Is the door wide enough for a wheelchair?
Do I have to climb stairs to get in?
Is it possible to enter without steps?
ramp for wheelchair there?
How accessible is your shop?
Do you have step free access?
Can disabled customers get into the shop?
Is there a ramp at the entrance?
What about access for people who cannot climb stairs?
How wide is your door?
I want to visit in my wheelchair.
Tell me if the store is barrier free.
step free entrance
My mother cannot walk stairs, can she get in?
Does the entrance have steps?
Are wheelchair users able to enter?
Will my electric wheelchair fit through the door?
disabled access?
Could I push a stroller into the shop?
My grandmother uses a walker, can she enter easily?
Is the entrance level or are there stairs?
I have trouble walking, is the shop easy to enter?
Which entrance is best for a wheelchair?
barrier free
May I roll in with a mobility scooter?

@ jobs
= Send your job application to jobs@fernotter.example.
Do you have any jobs?
How can I apply for a job?
Are you hiring?
jobs?
I would like to work for you.
Where do I send my application?
Do you need new staff?
Can I work in your shop?
how do i apply to work there
Is there an open position at your company?
I am looking for work, do you have something?
Do you take on trainees?
Where can I apply?
To whom do I send my job application?
any open jobs at the moment
I want to join your team.
Do you have any vacancies?
Can I send you my CV?
Is there a job opening in your shop?
What positions are you looking to fill?
How can I become an employee?
I want to apply as a sales assistant.
Tell me how to get hired.
current vacancies
careers with you
Are you recruiting right now?
I am a student and need a part time job.
Who do I write to about employment?
Where should my resume go?
Do you offer internships?
hiring staff?
Could I do an apprenticeship with you?
I have just lost my job, are you seeking workers?
Any weekend work available for me?
My son wants a summer job with you.
Which email is for job applications?

@ workshops
= We hold a free craft class every first Thursday at 7 pm.
Do you offer classes?
Are there events in the shop?
Can I take a craft class with you?
classes?
When is the next craft class?
What does the craft class cost?
Do you hold evening classes?
are there any workshops i can join
I would like to learn a craft, do you teach?
What events do you have?
On which day is the craft class?
Can I join a class at your shop?
When do the classes take place?
Is there a course I can attend?
events at the shop?
Is the craft class free?
Do you run craft courses?
Can I sign up for an evening course?
Is there a class on making things?
What time does the craft class start?
How often do you hold a craft class?
I want to attend your next event.
Tell me about your craft lessons.
craft course
upcoming events
Are there lessons for beginners?
Which evening is the craft class on?
Do I have to pay for the craft course?
I love making things, do you give lessons?
Could my friend and I take part in a craft evening?
Does your shop host events on Thursday evening?
When can I come to a crafting lesson?
craft class date and time
Where do I learn crafts from you?
Will there be a craft class this month?
Are you teaching handicraft to customers?

@ password
= Choose Forgot password on the login page to get a new one.
I forgot my password.
How do I reset my password?
I cannot log in.
password reset
My password does not work.
How can I get a new password?
I can't get into my account.
what if i forgot my password
My login fails, what can I do?
I lost my password, please help.
Where can I change my password?
The login page does not accept my password.
How do I log in without my password?
Can you send me a new password?
cant log in to my account
I don't remember my password any more.
Do you have a way to recover my password?
Can I set a new password?
Is there a link to reset my login?
What do I do when I cannot sign in?
How do I recover access to my account?
I want to change my login password.
Tell me how to get back into my account.
forgotten password
sign in problem
It says wrong password all the time.
My account is locked, how do I get in?
Could you reset my password for me?
I am locked out of my account.
Why does the site reject my login?
Where do I request a new password?
I typed my password three times and it fails.
Signing in does not work, please help.
new password please
I have not logged in for ages and forgot the password.
Which button do I press if I lost my password?

@ delete account
= You can delete your account under Settings and then Privacy.
How do I delete my account?
Can I close my account?
I want to remove my account.
delete account
Please delete my data.
Where can I delete my customer account?
How can I get rid of my account?
i dont want my account anymore
Is it possible to erase my account?
I would like you to remove my personal data.
What do I do to close my customer account?
Can you delete everything you know about me?
Where in the settings can I close my account?
How do I erase my data?
closing my account
I no longer need my account, how do I remove it?
Do you delete customer data on request?
Can my profile be removed?
Is there a button to close my account?
What steps delete my account for good?
How do I permanently remove my profile?
I want to leave and have my account erased.
Tell me how to deactivate my account.
remove account
erase my data
Please wipe all my personal information.
Where can I unregister?
I do not shop here any longer, please close my account.
Could you take my details out of your system?
How can I terminate my customer account?
May I ask you to erase my profile?
I would like my user account shut down.
Which setting removes my account?
deactivate profile
Will you delete my personal details if I ask?
I worry about privacy, how do I remove my data?

@ invoice copy
= You find all your invoices under My orders.
Where can I find my invoice?
I need a copy of my invoice.
Can you send me the bill again?
invoice copy
I lost my receipt, can I get a new one?
How do I download an invoice?
My tax office wants the invoice, where is it?
where do i get my invoice
I need a bill for my order.
Can I print my invoice somewhere?
I did not get an invoice.
Could I have the receipt again?
Where do I see my old invoices?
Is there a way to download the bill?
need my receipt again
How can I get the invoice for an old order?
Do you keep my past invoices online?
Can I get a duplicate of my bill?
Is there a PDF of my invoice?
What page shows my invoices?
How can I print the receipt for my order?
I want to download last year's invoices.
Tell me where my receipts are stored.
download invoice pdf
receipt lost
I threw away the receipt, can you give me another?
My accountant is asking for the invoice.
Where is the bill for my last purchase?
There was no invoice in my parcel.
Could you email me a copy of the receipt?
I need proof of purchase for my taxes.
duplicate bill
Are my invoices saved in my account?
Which menu do I open to see my bills?
May I have a second copy of the invoice?
I cannot find the invoice for my order anywhere.

@ price match
= We pay back the difference if you find a lower price within 14 days.
Do you match prices?
I found it cheaper in another shop.
Do you have a price guarantee?
price match?
It is cheaper elsewhere, what can you do?
Will you lower the price if I find it for less?
What happens if I see a lower price?
another shop has it for less
The price dropped after I bought it.
Do you pay the difference if it is cheaper somewhere else?
Can I get the lower price of another shop?
Is there a lowest price guarantee?
Now it costs less than I paid, do I get something back?
I saw the same thing for a lower price.
cheaper somewhere else, do you match
Would you match the price of another shop?
Do you beat the prices of competitors?
Can you match a cheaper offer I found online?
Is there a best price promise?
What if a rival sells it cheaper?
How do I get the price difference back?
I want the lower price that I saw elsewhere.
Tell me about your price guarantee.
best price guarantee
found cheaper online
A different store sells it for ten euros less.
I paid more than others charge, do you refund the difference?
Will I get the difference if the price falls?
It went down in price the day after I ordered.
Does your price promise cover other shops?
Could you go down to the competitor's price?
My friend bought the same thing cheaper at another store.
lower price at competitor
Are you willing to equal another seller's price?
I feel I overpaid, it is cheaper on another site.
Where do I report a lower price I discovered?
"""


class Product(NamedTuple):
    name: str
    noun: str
    price: int
    material: str
    size: str
    warranty: int
    colours: str


PRODUCTS = (
    Product("Lark", "kettle", 39, "steel", "holds 2 litres of water", 3, "black, cream and green"),
    Product("Heron", "lamp", 68, "brass", "is 42 cm tall", 5, "gold and grey"),
    Product("Badger", "backpack", 85, "waxed cotton", "holds 24 litres", 10, "brown and dark blue"),
    Product("Wren", "mug", 12, "clay", "holds 300 ml", 1, "white, blue and yellow"),
    Product("Fox", "blanket", 74, "lamb wool", "is 140 cm wide and 200 cm long", 4, "red and cream"),
    Product("Beaver", "stool", 56, "oak", "is 45 cm high", 15, "light oak and dark oak"),
    Product("Robin", "teapot", 33, "glass", "holds 1 litre of tea", 2, "clear and smoky grey"),
    Product("Hare", "bottle", 18, "light metal", "holds 750 ml", 6, "silver, orange and black"),
    Product("Owl", "clock", 47, "walnut wood", "is 30 cm across", 7, "walnut and white"),
    Product("Swan", "vase", 28, "white stone", "is 26 cm tall", 8, "white and pale pink"),
    Product("Mole", "doormat", 24, "coconut fibre", "is 60 cm wide and 40 cm deep", 9, "brown and green"),
    Product("Bear", "tent", 149, "strong canvas", "sleeps four people", 12, "green and sand"),
)

# {p} is the product as a customer calls it: "Lark kettle", "kettle" or "Lark".
PRODUCT_WORDINGS = {
    "price": """
How much is the {p}?
What does the {p} cost?
What is the price of the {p}?
price of the {p}?
How much do you charge for the {p}?
How expensive is the {p}?
What do I pay for the {p}?
what's the {p} going for
Could you tell me the price of your {p}?
How many euros is the {p}?
I want to buy the {p}, what will it cost me?
I am interested in the {p}. How much is it?
{p} price please
how much for the {p}
For what price do you sell the {p}?
What would I have to spend on the {p}?
Is the {p} expensive?
My friend likes the {p}, how much would I pay?
What do you ask for the {p}?
what does a {p} cost these days
Can you give me a price for the {p}?
How much money do I need for the {p}?
How much does your {p} cost?
The {p}, how much is it?
how much is that {p}
I like the {p}. How much is it?
Do you know how much the {p} is?
What is the cost of the {p}?
cost of the {p}
{p} how much
How much would the {p} be?
What price tag is on the {p}?
I would love the {p}. What does it cost?
Tell me what the {p} costs, please.
Is the {p} cheap?
at what price is the {p}
How many euros do I pay for the {p}?
Please send me the price of the {p}.
""",
    "material": """
What is the {p} made of?
Which material is the {p}?
What material do you use for the {p}?
{p} material?
Is the {p} made of plastic?
What is the {p} made from?
Out of what is the {p} made?
Could you tell me what the {p} is made of?
From which material do you make the {p}?
whats the {p} made out of
What kind of material is the {p}?
I care about materials. What is the {p} made of?
Does the {p} contain plastic?
which stuff is the {p} made of
Tell me about the material of the {p}.
Of what material is your {p}?
Before I buy the {p}, what material is it?
Is there any plastic in the {p}?
What sort of material is used in the {p}?
material of the {p} please
Is the {p} plastic?
Is there plastic or metal in the {p}?
Is there any metal in the {p}?
Is the {p} made of wood or metal?
Do you use plastic for the {p}?
what is that {p} made of
{p} made of what
The {p}, what is it made of?
Does the {p} have any plastic parts?
Is the {p} free of plastic?
materials used for the {p}
Tell me what the {p} is made of.
Is there any real wood in the {p}?
Which materials go into the {p}?
I do not like plastic. What is the {p} made of?
what fabric or material is the {p}
""",
    "size": """
How big is the {p}?
What size is the {p}?
What are the dimensions of the {p}?
{p} size?
How large is your {p}?
Could you tell me the size of the {p}?
What are the measurements of the {p}?
how big is that {p} of yours
Is the {p} big?
I need to know the size of the {p}.
Is the {p} rather small or large?
Can you give me the measurements of the {p}?
dimensions of the {p}
Which size does the {p} have?
I am not sure if the {p} is large enough. How big is it?
Please tell me how large the {p} is.
what size does the {p} come in
Is the {p} a small one?
How big is the {p} exactly?
size of the {p} pls
How small is the {p}?
The {p}, how big is it?
{p} dimensions
{p} measurements please
How tall or wide is the {p}?
What is the exact size of the {p}?
how large is that {p}
I like the {p}, but how big is it?
Will the {p} be big enough for me?
Does the {p} fit in a small room?
Tell me the size of the {p}.
Do you know how big the {p} is?
Is your {p} large?
how much space does the {p} take or give
What are the exact measurements of your {p}?
I want to know how large the {p} is.
""",
    "warranty": """
How long is the warranty on the {p}?
What warranty does the {p} have?
Does the {p} come with a warranty?
{p} warranty?
How many years of warranty do I get with the {p}?
Is there a guarantee on the {p}?
For how long is the {p} guaranteed?
how long is the {p} under warranty
What guarantee do you give on the {p}?
Could you tell me about the warranty of the {p}?
If I buy the {p}, how long is it covered?
How many years is the {p} covered for?
When does the warranty of the {p} end?
guarantee on the {p}
Do you give a warranty for the {p}?
How long does the guarantee for the {p} last?
How many years do you guarantee the {p}?
is the {p} covered by a warranty
Until when is my {p} covered?
What is the warranty period of the {p}?
{p} guarantee
The {p}, how long is it under guarantee?
What is the warranty for the {p}?
For how many years is the {p} covered?
Until when does the warranty of the {p} last?
Until when is the {p} under warranty?
warranty period for the {p}
how many years guarantee on the {p}
Tell me about the guarantee of the {p}.
How long am I covered with the {p}?
Does a guarantee come with the {p}?
If the {p} breaks in a year, is it covered?
I like the {p}. How long is the warranty?
Is my {p} still under warranty?
When does the guarantee of my {p} end?
how long does the {p} warranty last
""",
    "colours": """
Which colours does the {p} come in?
What colours do you have for the {p}?
In which colours can I buy the {p}?
{p} colours?
Is the {p} available in other colours?
What colour is the {p}?
Do you have the {p} in different colours?
what colors can i get the {p} in
Can I choose the colour of the {p}?
How many colours of the {p} are there?
Could you tell me the colours of the {p}?
Do you sell the {p} in red?
Which colours are there for the {p}?
colour choice for the {p}
I would like the {p} in another colour, what is there?
Is there more than one colour of the {p}?
In what colours do you make the {p}?
Does the {p} only come in one colour?
which colour options has the {p}
I am looking for the {p} in a nice colour.
{p} colors
{p} in which colour
The {p}, which colours are there?
Is there a choice of colours for the {p}?
What colour choice is there for the {p}?
choice of colours for the {p}
What other colours does the {p} have?
Can I have the {p} in blue?
Do you have the {p} in white?
Is the {p} also sold in black?
Tell me the colours of the {p}.
I like the {p}. Which colours do you have?
Which colour can I choose for the {p}?
what color is the {p}
Are there several colours of the {p}?
I want the {p} in a different colour.
""",
}


def product_answer(product: Product, attribute: str) -> str:
    full_name = f"The {product.name} {product.noun}"
    years = "1 year" if product.warranty == 1 else f"{product.warranty} years"
    return {
        "price": f"{full_name} costs {product.price} euros.",
        "material": f"{full_name} is made of {product.material}.",
        "size": f"{full_name} {product.size}.",
        "warranty": f"{full_name} has a warranty of {years}.",
        "colours": f"{full_name} comes in {product.colours}.",
    }[attribute]


GREETINGS = ("Hi, ", "Hello, ", "Good morning, ", "Hey, ", "Hi there, ", "Quick question: ", "Excuse me, ", "Hello! ",
             "Good evening, ", "Sorry to bother you, ")
ENDINGS = (" Thanks!", " Thank you.", " Thanks a lot.", " Thank you very much!", " Many thanks.", " Cheers!")


# ---------------------------------------------------------------------------
# General English for the base model. None of it is about Fern and Otter.
# ---------------------------------------------------------------------------

# Prose: a scene is a list of steps, a step is one sentence in several versions.
# A row takes one version of each step; {name} etc. are the same within a row.
SCENES = (
    (
        ("{name} opened the {shop} a little after {hour}.", "It was {weekday}, and {name} unlocked the door of the {shop}.",
         "Every morning {name} walks to the {shop} before {hour}.", "The lights of the {shop} went on at {hour}."),
        ("The street was still quiet and wet from the rain.", "Outside, a man was sweeping leaves from the path.",
         "A cat sat on the step and waited for its milk.", "The first bus of the day had just gone by."),
        ("The smell of fresh {food} filled the room.", "On the counter stood a basket of {food}.",
         "There were not many things left on the shelves.", "Two boxes had come the evening before and had to be opened."),
        ("An old woman came in and asked for {food}.", "A boy in a {colour} coat wanted to know what the {thing} cost.",
         "The first customer was in a hurry and paid by card.", "A young couple looked at the {colour} {thing} for a long time."),
        ("\"It is a present for my sister,\" she said.", "\"I will take two, please,\" said the customer.",
         "\"Do you also have it in {colour}?\" was the question.", "\"Could you wrap it for me?\" asked the customer."),
        ("{name} smiled and put it in a paper bag.", "{name} looked in the back room and found the last one.",
         "{name} wrote the price on a small piece of paper.", "{name} shook hands with the customer and said thank you."),
        ("By noon the {shop} was full of people.", "So the day began, like many days before.",
         "It was going to be a good day.", "Then the door closed, and it was quiet again."),
    ),
    (
        ("{name} wanted to make {food} for the whole family.", "On {weekday} it was {name}'s turn to cook.",
         "{name} had never made {food} before.", "There were guests for dinner, so {name} began early."),
        ("First you need flour, butter, salt and a little water.", "The potatoes were washed, peeled and cut into small pieces.",
         "The onions go into a hot pan with some oil.", "The water has to boil before anything else is done."),
        ("Stir it slowly and do not let it burn.", "After ten minutes the kitchen smelled wonderful.",
         "It needs about half an hour in the oven.", "A pinch of salt makes all the difference."),
        ("The children set the table with the {colour} plates.", "Somebody rang the bell, but the soup could not wait.",
         "The {colour} pot was far too small.", "{friend} brought a bottle of juice and a bunch of flowers."),
        ("Everybody had a second plate.", "\"You must give me the recipe,\" said {friend}.",
         "The bread was a little dark, but nobody minded.", "There was nothing left at the end."),
        ("Afterwards they washed the dishes together.", "They sat at the table and talked until it was late.",
         "Next time {friend} will cook.", "{name} was tired and happy."),
    ),
    (
        ("In {month} the garden of {name} is full of flowers.", "{name} has a small garden behind the house.",
         "In spring {name} plants beans, carrots and peas.", "Last {month} there was hardly any rain."),
        ("The apple tree is older than the house.", "A robin and a wren live in the hedge.",
         "Bees fly from flower to flower.", "Snails like the young leaves best."),
        ("Plants need light, water and good soil.", "Watering is best done early in the morning.",
         "The ground is dry, so it has to be watered every day.", "Weeds grow faster than anything else."),
        ("{friend} from next door helps to dig.", "{friend} gave advice and a bag of seeds.",
         "With a good spade the work is soon done.", "An old {colour} chair stands under the tree."),
        ("In autumn there are baskets full of fruit.", "Nothing tastes better than a tomato from your own garden.",
         "The first strawberries are always the sweetest.", "What the family cannot eat is given to the neighbours."),
        ("Then winter comes and the garden sleeps.", "A garden is never finished.",
         "{name} would not change it for a palace.", "In the evening you can hear the birds sing."),
    ),
    (
        ("{name} ordered a {colour} {thing} for {friend}.", "{name} waited for a parcel the whole week.",
         "On {weekday} a parcel arrived for {name}.", "The postman knocked at the door of {name}."),
        ("The box was large, but it was not heavy.", "The address had been written by hand.",
         "One corner of the box was crushed.", "Inside was a lot of paper and a short letter."),
        ("It was not the right size.", "The colour was different from the picture.", "The lid was broken and a part was missing.",
         "Everything was exactly as it should be."),
        ("{name} took the receipt and wrote to the shop.", "\"I will send it back and ask for a refund,\" said {name}.",
         "{name} called the shop and explained what had happened.", "\"Maybe they can exchange it,\" said {friend}."),
        ("The shop answered after a few days and was very kind.", "The lady on the telephone promised to help.",
         "They sent a new one and did not charge anything.", "The money was back in the bank before the end of the month."),
        ("Now the {thing} stands in the hall.", "{friend} was very pleased with the present.",
         "It is good to buy from people who keep their word.", "Next time {name} will buy it in town."),
    ),
    (
        ("{name} took the train to the sea on {weekday}.", "The bus to the mountains leaves at {hour}.",
         "In {month} the family of {name} always goes on holiday.", "{name} and {friend} planned a trip by bicycle."),
        ("They packed a tent, two blankets and a bottle of water.", "The backpack was heavy, but the road was good.",
         "They had a map, some bread and no plan at all.", "The tickets were cheaper than they had thought."),
        ("The path went through a dark forest of oak and pine.", "From the hill they could see the whole valley.",
         "A fox crossed the road in front of them.", "Swans and ducks swam on the lake, and a heron stood in the reeds."),
        ("Then the wind grew strong and it began to rain.", "At noon the sun was so hot that they had to rest.",
         "Somewhere an owl called in the night.", "They lost their way twice."),
        ("A farmer let them sleep in the barn.", "They found a small inn with a free room.",
         "They made a fire and cooked soup.", "An old man showed them the way to the next village."),
        ("It was the best trip of the year.", "They came home with wet shoes and many stories.",
         "Next year they want to go even further.", "The photos still hang on the wall in the kitchen."),
    ),
    (
        ("{name} works in a {shop} near the station.", "{name} has learned to be a carpenter.",
         "The workshop of {name} is at the end of the street.", "{name} repairs clocks, lamps and old radios."),
        ("A good chair is made of oak, beech or ash.", "Clay has to dry slowly before it is fired.",
         "Wool is spun first and then it is dyed.", "Steel is strong, glass is hard and cotton is soft."),
        ("Every piece is different.", "You can see at once whether the work was done with care.",
         "It takes a week to make a single {thing}.", "The tools are as old as the house."),
        ("Customers come from far away.", "Some people bring things that others would throw away.",
         "On {weekday} there is a class for beginners.", "{friend} answers the telephone and writes the bills."),
        ("The price is fair, and nobody has ever asked for a discount.", "A repair is often cheaper than a new thing.",
         "What is well made lasts for many years.", "It is not a job that makes you rich."),
        ("But {name} would not want to do anything else.", "In the evening the hands hurt and the heart is light.",
         "One day {friend} will take over the workshop.", "The next job is already waiting."),
    ),
    (
        ("\"Where have you been?\" asked {name}.", "\"Are you ready?\" called {name} from the hall.",
         "\"Have you heard the news?\" said {name}.", "\"What are we going to do on {weekday}?\" asked {name}."),
        ("\"At the {shop},\" said {friend}, \"I needed {food}.\"", "\"Not yet, I cannot find my keys,\" said {friend}.",
         "\"I was at the post office to send a parcel,\" said {friend}.", "\"I do not know,\" said {friend}, \"what would you like?\""),
        ("\"You could have called me.\"", "\"We could go to the market at {hour}.\"", "\"I wanted to ask you something.\"",
         "\"The {shop} is having a sale.\""),
        ("\"I forgot my telephone at home.\"", "\"That is a good idea, but it will be crowded.\"", "\"Of course, what is it?\"",
         "\"Then let us go before everything is gone.\""),
        ("\"I would like to buy a {colour} {thing}.\"", "\"Could you lend me some money until the end of the month?\"",
         "\"How much does a {thing} cost these days?\"", "\"Can you help me to carry the {thing}?\""),
        ("\"Yes, with pleasure,\" said {friend}.", "\"Let me think about it,\" said {friend}.",
         "\"I am sorry, I have no time today,\" said {friend}.", "\"You should ask {third},\" said {friend}."),
        ("So they went together.", "They both laughed.", "Outside it had begun to snow.", "And that was the end of it."),
    ),
    (
        ("Our town has a market on {weekday}.", "The market is the heart of the town.",
         "Before {hour} the farmers put up their tables.", "In {month} the market is the most beautiful."),
        ("You can buy {food}, cheese, eggs and honey there.", "One woman sells baskets, another sells wool.",
         "There are apples in red, yellow and green.", "At one table a man sharpens knives and scissors."),
        ("Whoever comes late pays less.", "Prices are written on small boards.", "Most people pay in cash.",
         "If you ask nicely, you may try the cheese."),
        ("{name} always brings a large bag.", "{name} knows every farmer by name.", "{name} and {friend} meet there for coffee.",
         "Children run between the tables, and dogs look for something to eat."),
        ("The bell of the church rings at noon.", "Then the musicians begin to play.", "A tram stops right beside the square.",
         "Cars have to park on the other side of the river."),
        ("At two o'clock everything is over.", "In the afternoon the square is empty again.",
         "What is not sold goes to the school kitchen.", "Next week they will all be back."),
    ),
)

# Short texts, one a line.
NOTES = """
Badger and Fox lived in the same forest. "Good morning," said Fox. "Good night," said Badger, for he had worked all night.
Bear was always hungry. He asked Hare for a carrot, but Hare only laughed and ran up the hill.
Owl sits in the old oak and looks down at Mole. "Your garden is deep in the ground," said Owl, "mine is in the sky."
Lark sings in the morning and Owl sings at night. Robin cannot decide and sings when Lark is tired.
Beaver and Otter share a river. Beaver builds, and Otter plays. In winter Otter is glad that Beaver has built a house.
Swan swam past Heron. "You are very tall," said Swan. "And you are very white," said Heron. So they became friends.
Wren is the smallest of all, but Wren has the loudest voice. Even Bear stops when Wren calls.
Mole came up under the fern and saw the sun for the first time. "It is too bright," said Mole and went home.
Hare and Fox ran a race. Fox was faster, Hare was smarter, and Badger won because he had started the day before.
Robin lost a feather. Swan found it, Heron carried it, and Lark brought it back to Robin.
Otter invited Bear, Beaver and Wren for supper. There was fish for Otter, honey for Bear, bark for Beaver and a small fly for Wren.
"Who is the oldest of us?" asked Heron. "Badger," said Mole. "Bear," said Fox. "The fern," said Owl, and Owl was right.
A tent is made of canvas or other strong cloth. It holds out the rain, and two or three people can sleep in it.
Waxed cloth holds water out. You can make it yourself with cotton, wax and a warm iron.
Brass is a metal the colour of gold. Lamps, doorbells and trumpets are made of brass.
Walnut is a dark wood, oak is lighter, and pine is the lightest of all. A walnut table costs more than a pine table.
Clay is soft when it is wet and hard when it is fired. A potter can make a cup of clay in five minutes.
The coconut grows on a palm. Its fibre is strong, and people make mats and ropes of it.
A lamb gives soft wool. The wool of an old sheep is rough, and carpets are made of it.
Metal can be heavy or light. Steel is heavy, and the metal of a bicycle is often light.
Stone is cold, wood is warm, and glass is clear. Sand is where glass begins.
The smoky glass of the old window is grey, the new one is clear. In the evening the light is pale and soft.
A litre is a thousand ml. A cup holds 250 ml, a bucket holds about ten litres, and a bath holds 150 litres.
The bucket holds nine litres and the pan holds one litre. How many times do you have to walk?
The river is 12 m wide and 3 m deep. Nobody has ever jumped across it during the day.
The tower is 60 m tall. From the top you can see seven villages and, if the weather is good, the sea.
The old door is two metres high, the new one is 90 cm wide and 210 cm tall.
Orange, silver and pale pink clouds stood above the lake. The sand on the shore was brown and wet.
Coffee costs two euros at the station and three euros at the market. It is the same coffee.
One euro is not much, but a hundred euros are. Whoever saves a euro per day has 365 euros in a year.
Ten percent of a hundred is ten. Fifty percent is half, and a hundred percent is all.
Customers like to earn points. For some they are a game, and for others they are a reason to spend more than they wanted.
The price of bread dropped in spring and went up again in autumn. Prices change, but the loaf is the same.
On weekdays the library is open until late. On Saturdays and Sundays the children come with their parents.
On Sundays the church bells ring. On Saturdays there is music in the square, and on weekdays it is quiet.
Our neighbours are on holiday, so we water the plants. On public holidays the streets are empty.
The new year begins in January. On New Year's Day most people sleep late and eat what is left.
At Easter the children look for eggs in the grass. At Christmas they wait for presents.
The teacher holds a craft class every month. We learned to make paper stars and to hold a brush.
Every first week of the month the choir meets at the school. Anybody can join, and nobody has to sing alone.
Students read a lot and earn little. Many students work in the evening, and some students even work at night.
At university my brother was a student of history. He is studying again and collecting old coins.
A trainee learns for three years. Then the firm offers a job, or the trainee is looking for another one.
She wrote a job application and sent it with a photo. Two days later the manager called.
The team is looking for somebody who likes to speak with people. A good team needs all sorts.
The company was founded by two sisters in a kitchen. Today two hundred people work there.
A school was founded here long ago. Nobody knows who founded the village.
Founders start with an idea. Owners come later, and the idea stays.
Our town has three companies that make shoes and two companies that repair them.
Use warm water to clean the mug. Do not use sand or steel wool, for they scratch.
Send a letter if you want to say something important. Send a message if it is quick.
Take the bus to the end of the line and walk along the river. Take an umbrella, for it rains a lot there.
Take the second street on the left, walk for five minutes and you see the mill. The mill stands by a pond.
Choose a seat by the window. Choose a friend with care, and a password with more care.
Some people forgot to vote, and some people never learned how. The others chose the mayor.
Forgot the milk again? Forgot the keys? Write a list and put it on the door.
If you lose your way, ask. If it rains, wait. If it is late, go home.
Free time is the best time. Free things are not always good things.
Standard shoes fit most feet, but not all. Standard paper is white and thin.
Express trains do not stop in our village. They arrive in the city an hour earlier and cost more.
The express bus leaves at noon and arrives in the evening. The next bus leaves the following day.
Delivery of the new bed was late. Delivery men have strong arms, and the stairs are narrow.
Return the book when you have read it. Returns to the library are counted at night.
She returned the coat because it was too long. The returned coat hangs in the shop again.
They returned from the mountains with a box of stones and an unused map.
The label on the jar says plum. A label should be easy to read and hard to lose.
Click on the link to open the page. If the link does not work, copy it and paste it in.
The settings are hidden under a small wheel. In the settings you can choose the language and the size of the letters.
Open the page, choose Settings, then Language. Under My pages you find what you have read.
Privacy means that nobody looks into your letters. Whoever values privacy closes the curtains.
I got an email from my cousin. An email is quick, and a letter is warm.
An email address has a sign in the middle, like anna@post.example or leo@school.example.
For a list of books write to library@town.example, and for jobs at the school to office@school.example.
My phone rang during the film. I switched the phone off and said sorry.
His phone number is easy to learn: 0444 021 355. Hers is 0444 090 866.
Our old number was 0333 010 550, and before that it was 0333 014 122.
The courier had a green bicycle with one large wheel in front. Couriers ride in all weather.
The wheel of the mill turns slowly. Another wheel was replaced last year.
Tracking an animal in the snow is not hard. Tracking a fish is not possible.
The train from Poland crosses Europe in one night. In the morning you see Italy and the sea.
Europe has many countries. Norway is in the north, Spain and Italy are in the south, and France is in between.
There are countries with many lakes and countries with none. Some people have been to all countries in the world.
Parking in the city is difficult. Behind the theatre there is free parking for bicycles.
There is a wide road behind the station, and parking is allowed on one side.
A wheelchair needs a wide door. With a ramp wheelchairs and prams get in without help.
My grandmother got a new wheelchair. She is quicker than I am.
Dogs are friendly when they know you. A friendly dog wags its tail, and other dogs keep away.
Visitors are welcome at the museum. Friendly guides explain the pictures, and children may draw them.
Packed lunches are ready at eight. Packed in paper, the bread stays fresh.
Recycled paper is a little grey. Whoever uses recycled paper saves water and wood.
All roads lead to the market. All dogs bark, and all children laugh.
The box was the original, with the name of the maker on it. Original boxes are worth money.
An unused ticket is valid for a year. A used one is not valid any more.
The ticket is valid until midnight. My card was valid until May, and now I need a new one.
The bank charged a small sum. When is a battery charged? When the light is green.
A transfer from one bank to another takes a day. You need the number of the bank and some patience.
They bought the house with their own money and no instalments. Buying in instalments makes things dearer.
What do you claim? He claimed that it was a mistake, but nobody wanted to hear the claim.
The insurance paid for the damage. The damage to the roof was large, and the photo showed it.
Take a photo of the crack before you mend it. A photo says more than a long report.
There was a problem with the data, so the report was late. The mistake was found before lunch.
The items on the list were all missing. One item was found in the kitchen, and the other items in the car.
Gift paper costs a few cents per sheet. Wrapping a ball is an art, and wrapping a book is easy.
A gift from the heart is worth more than gold. Gift cards are for people in a hurry.
Sale signs hung in all windows. Sale or no sale, I only buy what I need.
Items that are too heavy for you can be carried by two. Items made of glass need straw around them.
Exchange your seat with your neighbour if you cannot see. The exchange of letters went on for years.
An offer is not a promise. We offer tea, they offer cake, and the rest is talk.
Paying is easy, and earning is not. Paying in cash shows you what you spend.
The difference between early and late is one hour. Pay the difference and say no more.
They refunded the ticket because the concert was cancelled. Everyone was refunded within the week.
Within an hour the whole town knew. Within a day it was forgotten.
I answer at once, you answer after a working day, and he never answers. A working day has eight hours.
Each message was read twice. Every message needs a reply, even if it is short.
Nobody wants spare time to end. Spare keys are under the mat, and spare parts are in the shed.
A receipt is proof that you bought something. Keep the receipt for as long as you keep the thing.
Invoices are sent at the end of the month. Old invoices must be kept for years.
Until you leave, you are a guest. Until it stops raining, we stay.
Same place, same time, said the note. On the same day they met again.
Call us if something is missing. Write to us if you have time, and think of us if you have not.
You find the spoons under the cups. You find friends where you do not look for them.
You get what you pay for, they say. You get more if you ask nicely.
We do not offer rooms, said the farmer, but we hold dances every Friday at eight.
We close the gate at night. We are closed, said the sign, come again tomorrow.
We deliver milk, said the boy, and we send the bill later.
Our street is short. Our house is small, our garden is long, and our door is open.
The workshop smells of oil and wood. Workshop rules: wear shoes, ask first, clean up.
The login page asks for a name and a password. Forgot it? Then you need a new one.
"""

SLOTS = {
    "name": ("Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Iris", "Jack", "Kate", "Leo", "Maria", "Nina"),
    "friend": ("Oscar", "Paul", "Rosa", "Sam", "Tom", "Vera", "Will", "Lucy", "Max", "Ella"),
    "third": ("my brother", "your aunt", "the neighbour", "your father"),
    "shop": ("bakery", "bookshop", "flower shop", "toy shop", "tea shop", "shoe shop", "cheese shop", "bicycle shop"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "hour": ("six o'clock", "seven o'clock", "half past seven", "eight o'clock", "11 am", "5 pm"),
    "month": ("March", "April", "May", "June", "July", "August", "September", "October"),
    "food": ("bread", "apple cake", "vegetable soup", "pancakes", "cheese rolls", "plum jam", "rice", "biscuits"),
    "thing": ("basket", "chair", "kettle", "lamp", "mug", "blanket", "stool", "teapot", "bottle", "clock", "vase", "tent",
              "doormat", "backpack", "bowl", "mirror"),
    "colour": ("red", "blue", "green", "yellow", "white", "black", "brown", "grey", "orange", "pink", "cream", "silver", "gold"),
}

# Other small shops: each has its own facts, drawn by the seed.
OTHER_SHOPS = ("Bluebell Bakery", "Corner Books", "Miller's Shoes", "The Tea Chest", "Happy Wheels", "Rose and Thorn", "Old Town Toys",
               "Silver Spoon Cafe", "Green Valley Farm", "North Star Music", "Stone Bridge Cheese", "Baker and Sons", "Lucky Button",
               "Paper Moon", "Red Door Art", "Sunny Side Garden", "Candle Corner", "Hilltop Honey", "River Cycles", "Cosy Wool")

# (wordings, answer): {s} is the shop, the other names its facts.
OTHER_SHOP_FACTS = (
    (("When does {s} open in the morning?", "At what hour does {s} unlock its doors?", "how early does {s} open", "{s} opens when?",
      "What are the opening hours of {s}?", "I want to be the first customer at {s}, when should I come?"),
     "{s} opens at half past {open}."),
    (("When does {s} close in the evening?", "How late is {s} open?", "until when is {s} open", "By what time must I leave {s}?",
      "At what time does {s} shut?", "Is {s} still open after work?"),
     "{s} closes at half past {close}."),
    (("On which day is {s} closed?", "Is {s} open every day?", "when is {s} shut", "Which day does {s} take off?",
      "Does {s} have a day of rest?", "Is there a day on which I cannot visit {s}?"),
     "{s} takes a rest on {rest}."),
    (("Where is {s}?", "What is the address of {s}?", "where do i find {s}", "In which street is {s}?", "How do I find {s}?",
      "Can you tell me the location of {s}?"),
     "You find {s} in {street}."),
    (("Does {s} deliver to my home?", "How long does {s} need for a delivery?", "when does my order from {s} arrive",
      "How fast does {s} ship?", "I ordered at {s}, when will my parcel come?", "How many days does {s} take to send an order?"),
     "{s} brings orders to your door in {days} days."),
    (("What does {s} charge for shipping?", "How much is the postage at {s}?", "what does delivery from {s} cost",
      "Is there a delivery fee at {s}?", "Do I pay for delivery at {s}?", "How expensive is the shipping from {s}?"),
     "{s} asks for {fee} euros for each delivery."),
    (("How long can I return things to {s}?", "Does {s} take things back?", "can i give something back to {s}",
      "Within how many days can I send goods back to {s}?", "What is the return policy of {s}?", "Will {s} give me a refund?"),
     "{s} takes goods back for {back} weeks."),
    (("How can I pay at {s}?", "Does {s} take cards?", "payment at {s}?", "Which payment does {s} accept?",
      "May I pay with coins at {s}?", "What are the ways of paying at {s}?"),
     "At {s} you pay {pay}."),
    (("Who owns {s}?", "Who is behind {s}?", "whose shop is {s}", "Who started {s}?", "What is the name of the owner of {s}?",
      "To whom does {s} belong?"),
     "{s} belongs to {owner}."),
    (("What is the cheapest thing at {s}?", "How much is a {thing} at {s}?", "price of a {thing} at {s}",
      "What do I pay for a {thing} at {s}?", "How expensive is the {thing} that {s} sells?", "What would a {thing} from {s} cost me?"),
     "At {s} a {thing} is {price} euros."),
    (("What is the {thing} from {s} made of?", "Which material is the {thing} of {s}?", "{thing} from {s}, what material",
      "Is the {thing} from {s} made of plastic?", "From what does {s} make a {thing}?"),
     "{s} makes every {thing} of {material}."),
    (("How big is the {thing} at {s}?", "What size is the {thing} from {s}?", "size of the {thing} at {s}",
      "Is the {thing} from {s} large?", "What are the measurements of the {thing} that {s} sells?"),
     "The {thing} at {s} measures {measure} cm."),
    (("How long is the guarantee at {s}?", "Does {s} give a warranty?", "warranty at {s}?", "How many years does {s} guarantee its goods?",
      "For how long are things from {s} covered?", "What happens if something from {s} breaks?"),
     "{s} gives a guarantee of {months} months."),
    (("In which colours does {s} sell the {thing}?", "What colour is the {thing} at {s}?", "colours of the {thing} at {s}",
      "Can I choose the colour of a {thing} at {s}?", "Does {s} have the {thing} in other colours?"),
     "{s} has the {thing} only in {colour}."),
    (("How can I contact {s}?", "Can I call {s}?", "telephone of {s}", "I want to talk to someone at {s}.",
      "Which number do I ring to reach {s}?", "Does {s} have a telephone?"),
     "Ring {s} on extension {extension}."),
    (("Is there a discount at {s}?", "How can I save money at {s}?", "any reduction at {s}", "Does {s} have special prices?",
      "Can I buy cheaper at {s}?", "Will I pay less at {s} if I buy a lot?"),
     "{s} is cheaper on {sale}."),
    (("Does {s} repair things?", "Can {s} fix my {thing}?", "will {s} mend a {thing}", "My {thing} is broken, can {s} help?",
      "Is there a workshop at {s}?"),
     "{s} mends a {thing} in {repair} days."),
    (("May I bring my dog to {s}?", "Are animals allowed at {s}?", "dog at {s} ok?", "Can my puppy come to {s} with me?",
      "Do pets have to wait outside {s}?"),
     "{s} asks you to leave animals {animals}."),
)

# Words that customers use: their meaning and another word for it.
WORDS = (
    ("refund", "the money that a shop gives back", "repayment"),
    ("warranty", "a promise to repair or replace a thing", "guarantee"),
    ("guarantee", "a promise that a thing is good", "warranty"),
    ("parcel", "a thing that is sent in a box", "package"),
    ("package", "a box that is sent to somebody", "parcel"),
    ("courier", "a person who brings parcels", "carrier"),
    ("carrier", "a company that brings parcels", "courier"),
    ("delivery", "the bringing of goods to a customer", "shipping"),
    ("shipping", "the sending of goods to a customer", "delivery"),
    ("postage", "what you pay to send a parcel", "shipping cost"),
    ("invoice", "a paper that says what you must pay", "bill"),
    ("bill", "a paper with the sum to pay", "invoice"),
    ("receipt", "a paper that shows what you paid", "proof of payment"),
    ("discount", "money taken off a price", "reduction"),
    ("reduction", "a lower price than before", "discount"),
    ("voucher", "a card or code that you can pay with", "coupon"),
    ("present", "a thing that you give to somebody", "gift"),
    ("gift", "a thing given for a birthday", "present"),
    ("customer", "a person who buys something", "buyer"),
    ("staff", "the people who work for a company", "employees"),
    ("company", "a group of people who do business", "firm"),
    ("firm", "people who do business together", "company"),
    ("founder", "a person who starts a company", "person who set it up"),
    ("owner", "the person to whom a thing belongs", "boss"),
    ("to purchase", "to get a thing for money", "to buy"),
    ("to send back", "to give goods to the shop again", "to return"),
    ("to return", "to bring a thing back", "to send back"),
    ("to swap", "to give one thing for another", "to exchange"),
    ("to exchange", "to change one thing for another", "to swap"),
    ("to cancel", "to stop an order", "to call off"),
    ("to collect", "to go and get a thing yourself", "to pick up"),
    ("to pick up", "to come and get a thing", "to collect"),
    ("to repair", "to make a broken thing whole", "to fix"),
    ("to mend", "to make a thing work again", "to repair"),
    ("to charge", "to take money for something", "to ask for payment"),
    ("to close", "to end work for the day", "to shut"),
    ("to reply", "to write back to somebody", "to answer"),
    ("to respond", "to say something to a question", "to reply"),
    ("to track", "to follow the way of a parcel", "to follow"),
    ("to apply", "to ask for a job", "to send an application"),
    ("to hire", "to give somebody a job", "to take on"),
    ("to expire", "to come to an end", "to run out"),
    ("instalment", "one part of a sum that is paid bit by bit", "part payment"),
    ("financing", "paying for a thing over many months", "paying in parts"),
    ("damaged", "hurt or broken on the way", "broken"),
    ("cracked", "broken with a thin line", "damaged"),
    ("missing", "not there although it should be", "lost"),
    ("abroad", "in a different country", "overseas"),
    ("overseas", "in a country across the sea", "abroad"),
    ("express", "faster than normal", "fast"),
    ("urgent", "needed very soon", "pressing"),
    ("loyal", "coming back again and again", "regular"),
    ("bulk", "a large number of things", "large order"),
    ("spare part", "a new part for an old thing", "replacement part"),
    ("recycled", "made from old things", "used again"),
    ("material", "what a thing is made of", "stuff"),
    ("dimensions", "how long, wide and high a thing is", "measurements"),
    ("measurements", "the numbers for how big a thing is", "size"),
    ("class", "an hour in which you learn something", "course"),
    ("course", "a row of lessons", "class"),
    ("workshop", "a room where things are made", "studio"),
    ("password", "a secret word for your account", "code word"),
    ("account", "your own page at a shop", "customer page"),
    ("login", "the way into your account", "sign in"),
    ("to delete", "to take away for ever", "to erase"),
    ("to erase", "to make something go away", "to remove"),
    ("ramp", "a smooth way up without steps", "slope"),
    ("accessible", "easy to enter for everybody", "easy to reach"),
    ("bank holiday", "a day on which nobody has to work", "public holiday"),
    ("sale", "a time of low prices", "clearance"),
    ("condition", "how good or bad a thing is", "state"),
    ("status", "how far something has come", "state"),
    ("location", "the place where a thing is", "place"),
    ("cheap", "with a low price", "not expensive"),
    ("expensive", "with a high price", "dear"),
    ("newsletter", "a letter with news for customers", "news by mail"),
    ("deadline", "the last day for doing something", "time limit"),
    ("neighbour", "a person who lives next to you", "person next door"),
    ("tram", "a train that runs in the street", "streetcar"),
    ("pram", "a small car for a baby", "baby carriage"),
    ("application", "a letter in which you ask for work", "request"),
    ("trainee", "a person who is learning a job", "learner"),
)
WORD_MEANING = ("What does {w} mean?", "What is the meaning of {w}?", "meaning of {w}", "Can you explain {w} to me?", "I do not know the word {w}.")
WORD_OTHER = ("Give me another word for {w}.", "What else can I say for {w}?", "another word for {w}", "Which word is like {w}?")

# Everyday questions: several wordings and one answer.
EVERYDAY = """
What do bees make? | which food do bees give us | Tell me what bees make.
= Bees make honey and wax.
What do I need for pancakes? | how do i make pancakes | Which things go into pancakes?
= For pancakes you need milk, eggs and flour.
How many days are in a week? | days in a week? | What is the number of days in a week?
= A week has seven days.
When do the leaves fall? | In which season do trees lose their leaves? | falling leaves when
= The leaves fall in autumn.
Why should I wear a coat? | Do I need a coat in winter? | is a coat useful
= A coat keeps you warm when it is cold.
What is paper made of? | From what do people make paper? | paper is made out of what
= Paper is made of wood.
Where does wool come from? | Which animal gives us wool? | wool comes from where
= Wool comes from sheep.
How do I boil an egg? | Can you tell me how to cook an egg? | cooking an egg how
= Put the egg in hot water for six minutes.
What does a baker do? | what is the job of a baker | Tell me about the work of a baker.
= A baker makes bread and cakes.
What does a carpenter do? | what is a carpenter good for | Which work does a carpenter do?
= A carpenter makes things of wood.
How can I sleep better? | I cannot sleep at night. | what helps me to sleep
= Go to bed early and leave the telephone in the kitchen.
What should I drink when it is hot? | Which drink is best in summer? | hot day what to drink
= Drink plenty of water when it is hot.
How do I clean a window? | What is good for dirty windows? | cleaning windows how
= Use warm water and an old newspaper.
My plant looks sad, what can I do? | How often should I water a plant? | plant is dry
= Give the plant some water and put it in the light.
What can I give my mother for her birthday? | I need an idea for a birthday. | birthday present for mother
= Flowers and a letter are always a good present.
How do I get a stain out of a shirt? | There is a spot on my shirt. | stain on shirt help
= Wash the shirt with cold water and soap.
Which bird calls at night? | What bird can I hear in the dark? | night bird?
= The owl calls at night.
Where does a fox live? | What is the home of a fox? | fox lives where
= A fox lives in a hole in the forest.
What does an otter eat? | otters eat what | Which food does an otter like?
= An otter eats fish.
Where does a fern grow? | Does a fern like the sun? | fern grows where
= A fern grows in the shade.
What does a beaver build? | Which animal builds dams? | beaver builds what
= A beaver builds a dam of branches.
How does a mole live? | Where can I see a mole? | mole lives where
= A mole lives under the ground.
Is a bear dangerous? | Should I be afraid of a bear? | bears dangerous?
= A bear is dangerous when it has young ones.
What does a hare look like? | How do I know a hare? | hare or rabbit
= A hare has long ears and long legs.
What colour is a swan? | Tell me how a swan looks. | swan colour
= Most swans are white.
Is glass hard? | Can glass break? | glass breaks or not
= Glass is hard, but it breaks easily.
What is steel used for? | steel is good for what | Why do people use steel?
= Steel is used for tools and bridges.
How many legs does a stool have? | legs of a stool? | Tell me how many legs a stool has.
= A stool has three or four legs.
Who brings letters? | Which person carries the post? | letters are brought by who
= The postman brings letters.
How do I write a letter? | What belongs in a letter? | writing a letter how
= Begin with a greeting and end with your name.
What is the first month of the year? | With which month does a year begin? | first month
= The first month is January.
Which day comes after Friday? | What is the day after Friday? | after friday comes
= After Friday comes Saturday.
How many hours are in a day? | hours in one day? | What is the number of hours in a day?
= A day has twenty-four hours.
Should I buy new or used? | Is it better to buy used things? | new or used
= Used things are cheaper and often just as good.
How can I save money? | I spend too much. | saving money how
= Write down what you buy and wait a day before you pay.
What makes good customer service? | How should a shop treat customers? | good service means what
= Good service means to listen and to help quickly.
How do I complain in a friendly way? | I am angry with a shop. | complaining politely
= Say what happened and what you would like.
Can you help me? | I need help. | help please
= Of course, what would you like to know?
Good morning! | Hello! | hi
= Hello, how can I help you?
Thank you for your help. | Thanks a lot! | thx
= You are welcome.
Goodbye! | See you soon. | bye
= Goodbye and have a nice day.
Who are you? | What is your name? | are you a person
= I am a small program that answers questions.
How are you? | How do you feel today? | you ok?
= I am fine, thank you.
Tell me a joke. | Can you make me laugh? | joke please
= Why did the clock go to school? It had time.
What is the weather like? | Will it rain? | rain today?
= I cannot see the sky from here.
"""

OTHER_SHOP_VALUES = {
    "open": ("six", "seven", "eight", "ten"),
    "close": ("three", "five", "seven", "eight"),
    "rest": ("Monday", "Tuesday", "Wednesday", "Thursday"),
    "street": ("Church Lane", "Park Road", "Station Road", "King Street", "Water Lane", "the old market"),
    "days": ("two", "four", "six", "eight"),
    "fee": ("two", "five", "six", "seven"),
    "back": ("two", "three", "five", "six"),
    "pay": ("only with coins", "with any card", "by telephone", "at the end of the month"),
    "owner": ("Mr Brown", "Mrs Green", "Mr Cook", "Mrs Field", "the Hill family", "two old friends"),
    "material": ("straw", "pine", "paper", "copper", "leather", "silk"),
    "months": ("six", "eighteen", "twenty", "thirty"),
    "sale": ("the first Monday", "the last Friday", "rainy days", "market days"),
    "repair": ("two", "five", "nine", "twelve"),
    "animals": ("at the door", "at home", "in the yard", "on a lead"),
}


# ---------------------------------------------------------------------------
# From the sentences to rows.
# ---------------------------------------------------------------------------

def read_general_facts() -> dict[str, tuple[str, list[str]]]:
    """Fact name -> (answer, wordings)."""
    facts: dict[str, tuple[str, list[str]]] = {}
    name = ""
    for line in GENERAL_FACTS.strip().splitlines():
        if line.startswith("@ "):
            name = line[2:]
            assert name not in facts, name
        elif line.startswith("= "):
            facts[name] = (line[2:], [])
        elif line.strip():
            facts[name][1].append(line)
    return facts


def split_wordings(wordings: list[str], rng: random.Random) -> dict[str, list[str]]:
    """Give each wording to one of heldout, valid and train."""
    order = wordings[:]
    rng.shuffle(order)
    first_train = HELD_OUT_WORDINGS + VALID_WORDINGS
    return {"heldout": order[:HELD_OUT_WORDINGS], "valid": order[HELD_OUT_WORDINGS:first_train], "train": order[first_train:]}


def chat_row(question: str, answer: str) -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


KEEP_CAPITAL = {"I", "I'd", "Fern"} | {product.name for product in PRODUCTS}


def lower_first(text: str) -> str:
    """The first letter small, unless the first word is a name or "I"."""
    return text if text.split(" ")[0] in KEEP_CAPITAL else text[0].lower() + text[1:]


def dress(question: str, rng: random.Random) -> str:
    """Sometimes a greeting before and thanks after, as customers do."""
    draw = rng.random()
    if draw < 0.18:
        greeting = rng.choice(GREETINGS)
        question = greeting + (question if greeting.endswith("! ") else lower_first(question))
    elif draw < 0.32:
        if question[-1].isalnum():
            question += "?"
        question += rng.choice(ENDINGS)
    elif draw < 0.40:
        question = question.rstrip("?.").lower()
    return question


def product_called(product: Product, rng: random.Random) -> str:
    return rng.choices((f"{product.name} {product.noun}", product.noun, product.name), (60, 30, 10))[0]


def faq_rows() -> dict[str, list[dict]]:
    rows: dict[str, list[dict]] = {"train": [], "valid": [], "heldout": []}
    for name, (answer, wordings) in read_general_facts().items():
        rng = random.Random(f"{SEED} {name}")
        assert len(set(wordings)) == len(wordings) >= 36, name
        for part, chosen in split_wordings(wordings, rng).items():
            rows[part] += [chat_row(dress(wording, rng), answer) for wording in chosen]
    for attribute, block in PRODUCT_WORDINGS.items():
        rng = random.Random(f"{SEED} {attribute}")
        wordings = block.strip().splitlines()
        assert len(set(wordings)) == len(wordings) >= 36, attribute
        for part, chosen in split_wordings(wordings, rng).items():
            for product in PRODUCTS:
                answer = product_answer(product, attribute)
                for wording in chosen:
                    question = wording.replace("{p}", product_called(product, rng))
                    rows[part].append(chat_row(dress(question[0].upper() + question[1:] if wording[0] == "{" else question, rng), answer))
    for part, part_rows in rows.items():
        random.Random(f"{SEED} order {part}").shuffle(part_rows)
    return rows


def fill(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], text)


def base_text_rows(rows_per_scene: int) -> list[dict]:
    rng = random.Random(f"{SEED} prose")
    rows = []
    for scene in SCENES:
        for _ in range(rows_per_scene):
            values = {slot: rng.choice(words) for slot, words in SLOTS.items()}
            rows.append({"text": " ".join(fill(rng.choice(step), values) for step in scene)})
    notes = NOTES.strip().splitlines()
    for _ in range(2):  # every note twice, each time beside another one
        rng.shuffle(notes)
        rows += [{"text": f"{one} {other}"} for one, other in zip(notes[::2], notes[1::2], strict=True)]
    rng.shuffle(rows)
    return rows


def base_chat_rows() -> list[dict]:
    rng = random.Random(f"{SEED} chat")
    rows = []
    for number, shop in enumerate(OTHER_SHOPS):
        facts = {slot: rng.choice(words) for slot, words in OTHER_SHOP_VALUES.items()}
        facts |= {"s": shop, "extension": str(61 + number), "measure": str(71 + number), "price": str(90 + number)}
        facts |= {"thing": rng.choice(SLOTS["thing"]), "colour": rng.choice(SLOTS["colour"])}
        for wordings, answer in OTHER_SHOP_FACTS:
            for wording in rng.sample(wordings, 4):
                rows.append(chat_row(dress(fill(wording, facts), rng), fill(answer, facts)))
    for word, meaning, other in WORDS:
        for wording in rng.sample(WORD_MEANING, 3):
            rows.append(chat_row(dress(wording.replace("{w}", word), rng), f"It means {meaning}."))
        for wording in rng.sample(WORD_OTHER, 3):
            rows.append(chat_row(dress(wording.replace("{w}", word), rng), f"You can also say {other}."))
    questions: list[str] = []
    for line in EVERYDAY.strip().splitlines():
        if line.startswith("= "):
            rows += [chat_row(question, line[2:]) for question in questions]
        else:
            questions = line.split(" | ")
    rng.shuffle(rows)
    return rows


# ---------------------------------------------------------------------------
# Checks and writing.
# ---------------------------------------------------------------------------

def bare(text: str) -> str:
    """Letters and digits only, lower case."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))


BARE_GREETINGS = sorted({bare(text) for text in GREETINGS}, key=len, reverse=True)
BARE_ENDINGS = sorted({bare(text) for text in ENDINGS}, key=len, reverse=True)
PRODUCT_NAME = re.compile("|".join(f"{p.name} {p.noun}|{p.name}|{p.noun}" for p in PRODUCTS).lower())


def wording_key(question: str) -> str:
    """What makes two questions the same wording: case, punctuation, greeting, ending and product do not count."""
    key = bare(question)
    for greeting in BARE_GREETINGS:
        if key.startswith(greeting + " "):
            key = key[len(greeting) + 1:]
            break
    for ending in BARE_ENDINGS:
        if key.endswith(" " + ending):
            key = key[:-len(ending) - 1]
            break
    return re.sub(rf"\b(?:{PRODUCT_NAME.pattern})\b", "product", key)


def check_split(faq: dict[str, list[dict]], base: list[dict]) -> None:
    keys = {part: {wording_key(row["messages"][0]["content"]) for row in rows} for part, rows in faq.items()}
    keys["base"] = {wording_key(row["messages"][0]["content"]) for row in base if "messages" in row}
    for one, other in (("heldout", "train"), ("heldout", "valid"), ("heldout", "base"), ("valid", "train"), ("valid", "base")):
        shared = keys[one] & keys[other]
        assert not shared, f"{one} and {other} share the wordings {sorted(shared)}"
    answers = {row["messages"][1]["content"] for row in faq["train"]}
    for part in ("valid", "heldout"):
        assert {row["messages"][1]["content"] for row in faq[part]} == answers, f"{part} does not ask for every fact"
    base_content = "\n".join(json.dumps(row) for row in base)
    for answer in answers:
        assert answer not in base_content, answer
    assert "Fern and Otter" not in base_content


def write(path: Path, rows: list[dict]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{path}: {len(rows)} rows, {len(text.encode())} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the quick start's data.")
    parser.add_argument("--out", type=Path, default=Path("recipes/quickstart/data"), help="folder to write to (default: %(default)s)")
    out = parser.parse_args().out
    faq = faq_rows()
    text, chat = base_text_rows(rows_per_scene=45), base_chat_rows()
    check_split(faq, text + chat)
    out.mkdir(parents=True, exist_ok=True)
    write(out / "base_text.jsonl", text)
    write(out / "base_chat.jsonl", chat)
    for part, rows in faq.items():
        write(out / f"faq_{part}.jsonl", rows)


if __name__ == "__main__":
    main()
